"""The configuration: one YAML file in, checked objects or all its mistakes out."""

from hotfolder.settings.connections import (
    Connection,
    ConnectionSection,
    DigitooConnection,
    DocDigitizerConnection,
    Errors,
    Limits,
    Login,
    Retry,
    RossumConnection,
    Timeouts,
    Upload,
)
from hotfolder.settings.loading import load_settings
from hotfolder.settings.notify import AppriseTarget, EmailTarget, Notify, Target, WebhookTarget
from hotfolder.settings.problems import Place, Problem, SettingsError
from hotfolder.settings.program import Log, Settings, default_state_dir, find_settings_file
from hotfolder.settings.queues import Queue, Retain, SizeLimit
from hotfolder.settings.schema import config_schema
from hotfolder.settings.secrets import Secret, SecretUnavailable, credentials_in, secret_files
from hotfolder.settings.web import Http, Tls
from hotfolder.settings.webhooks import Signature, Webhook

__all__ = [
    "AppriseTarget",
    "Connection",
    "ConnectionSection",
    "DigitooConnection",
    "DocDigitizerConnection",
    "EmailTarget",
    "Errors",
    "Http",
    "Limits",
    "Log",
    "Login",
    "Notify",
    "Place",
    "Problem",
    "Queue",
    "Retain",
    "Retry",
    "RossumConnection",
    "Secret",
    "SecretUnavailable",
    "Settings",
    "SettingsError",
    "Signature",
    "SizeLimit",
    "Target",
    "Timeouts",
    "Tls",
    "Upload",
    "Webhook",
    "WebhookTarget",
    "config_schema",
    "credentials_in",
    "default_state_dir",
    "find_settings_file",
    "load_settings",
    "secret_files",
]
