"""Scenarios: which requests go wrong, and how (a model of the file, and the choice of a rule)."""

import json
import random
import time
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import IntEnum, StrEnum
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Annotated, Any, Self

import yaml
from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PlainSerializer,
    ValidationError,
    model_validator,
)

from hotfolder.sandbox.options import SandboxOptions


class ScenarioError(ValueError):
    """A scenario is not well-formed; `str()` names every mistake and where it stands."""


class Service(StrEnum):
    """The three services, as the first part of their paths."""

    ROSSUM = "rossum"
    DIGITOO = "digitoo"
    DOCDIGITIZER = "docdigitizer"


class Moment(IntEnum):
    """When a fault strikes; a request that never comes to its moment is struck instead of its answer."""

    BEFORE_BODY = 0
    MID_BODY = 1
    AFTER_BODY = 2
    """The whole body was read, nothing was committed."""
    AFTER_COMMIT = 3
    """The document is taken; only the answer suffers."""


class Fate(StrEnum):
    """What becomes of a document after a good answer."""

    IMPORTED = "imported"
    FAILED_IMPORT = "failed_import"
    FAILED_TASK = "failed_task"
    NO_ANNOTATION = "no_annotation"


def _moment(text: Any) -> Any:
    """Read a moment by its name, as scenarios write it."""
    if isinstance(text, str) and text.upper() in Moment.__members__:
        return Moment[text.upper()]
    if isinstance(text, Moment) or text is None:
        return text
    raise ValueError(f"expected one of {', '.join(m.name.lower() for m in Moment)}")


When = Annotated[Moment, BeforeValidator(_moment), PlainSerializer(lambda moment: moment.name.lower())]


class _Strict(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Match(_Strict):
    """Which requests a rule is about: every condition that is given must hold."""

    service: Service | None = None
    method: str | None = None
    path: str | None = None
    """Glob on the whole path without the query; `*` matches slashes too."""
    file: str | None = None
    """Glob on a file name in the request; the rule cannot strike before the name was read."""
    skip: int = Field(0, ge=0)
    """Let the first so many matching requests pass."""
    first: int | None = Field(None, ge=1)
    """Then only so many."""
    every: int = Field(1, ge=1)
    """Of those, every nth."""
    probability: float = Field(1.0, ge=0.0, le=1.0)
    seed: int = 0
    over_per_second: int | None = Field(None, ge=0)
    """Only what comes after so many matching requests within one second: a rate limit."""

    def fits(self, service: Service, method: str, path: str, file: str | None) -> bool:
        """Tell whether the conditions on the request itself hold; counts and chance are not looked at."""
        return (
            (self.service is None or self.service is service)
            and (self.method is None or self.method.upper() == method)
            and (self.path is None or fnmatchcase(path, self.path))
            and ((self.file is None) == (file is None))
            and (self.file is None or fnmatchcase(file or "", self.file))
        )


class RateLimit(_Strict):
    """A 429; `retry_after_s` in seconds, written as seconds or as an HTTP date."""

    retry_after_s: int | None = 1
    date: bool = False


_ACTIONS = ("status", "hang", "reset", "html", "truncated_json", "empty_body", "rate_limit", "fate")


class Do(_Strict):
    """What a rule does: one action, or only a delay; a delay may stand before any action."""

    status: int | None = Field(None, ge=200, le=599)
    code: str | None = None
    """With `status`: which of the specification's codes for that status, e.g. NO_LICENCE."""
    body: Any = None
    headers: Mapping[str, str] = Field(default_factory=dict)
    delay_s: float = Field(0.0, ge=0.0)
    hang: When | None = None
    """Never answer, until the client goes away; before the body: do not even read it."""
    reset: When | None = None
    """Reset the connection (TCP RST)."""
    html: int | None = Field(None, ge=200, le=599)
    """Answer with a proxy's HTML page and this status."""
    truncated_json: bool | None = None
    """Cut the true answer in half; the Content-Length fits, the JSON does not."""
    empty_body: bool | None = None
    """The true status without its body."""
    rate_limit: RateLimit | None = None
    fate: Fate | None = None
    at: When | None = None

    @model_validator(mode="before")
    @classmethod
    def _shorthands(cls, data: Any) -> Any:
        """Accept `failed_import: true` and its like for `fate`, and a number for `rate_limit`."""
        if not isinstance(data, dict):
            return data
        data = dict(data)
        for fate in Fate:
            if data.get(fate.value) is True and "fate" not in data:
                del data[fate.value]
                data["fate"] = fate
        if isinstance(data.get("rate_limit"), int) and not isinstance(data["rate_limit"], bool):
            data["rate_limit"] = {"retry_after_s": data["rate_limit"]}
        return data

    @model_validator(mode="after")
    def _one_action(self) -> Self:
        chosen = [name for name in _ACTIONS if getattr(self, name) is not None]
        if len(chosen) > 1:
            raise ValueError(f"one action a rule, not {' and '.join(chosen)}")
        if not chosen and not self.delay_s:
            raise ValueError(f"an action is missing: one of {', '.join(_ACTIONS)}, delay_s")
        if self.status is None and (self.code is not None or self.body is not None):
            raise ValueError("`code` and `body` belong to `status`")
        late = self.truncated_json or self.empty_body
        if late and self.at not in {None, Moment.AFTER_COMMIT}:
            raise ValueError("the true answer exists only after_commit")
        if self.at is not None and (self.hang is not None or self.reset is not None):
            raise ValueError("hang and reset say their moment themselves, e.g. `reset: mid_body`")
        return self

    @property
    def moment(self) -> Moment:
        """When it strikes; refusals do after the body, unless `at` says otherwise."""
        for said in (self.hang, self.reset, self.at):
            if said is not None:
                return said
        refuses = self.status is not None or self.html is not None or self.rate_limit is not None
        return Moment.AFTER_BODY if refuses else Moment.AFTER_COMMIT


class Rule(_Strict):
    """One rule of a scenario."""

    match: Match = Match()
    do: Do


class Scenario(_Strict):
    """Rules in order of precedence and, if given, other options for the sandbox."""

    rules: tuple[Rule, ...] = ()
    options: SandboxOptions | None = None

    @model_validator(mode="before")
    @classmethod
    def _bare_list(cls, data: Any) -> Any:
        return {"rules": data} if isinstance(data, list | tuple) else data


def read_scenario(document: Any) -> Scenario:
    """Turn parsed JSON or YAML into a scenario; raises `ScenarioError` naming every mistake."""
    try:
        return Scenario.model_validate(document)
    except ValidationError as error:
        mistakes = [
            f"{'.'.join(str(step) for step in mistake['loc']) or 'scenario'}: {mistake['msg']}"
            for mistake in error.errors(include_url=False)
        ]
        raise ScenarioError("; ".join(mistakes)) from None


def load_scenario(path: Path) -> Scenario:
    """Read a scenario from a YAML or JSON file; raises `ScenarioError` or `OSError`."""
    text = path.read_text("utf-8")
    try:
        document = json.loads(text) if path.suffix == ".json" else yaml.safe_load(text)
    except (ValueError, yaml.YAMLError) as error:
        raise ScenarioError(f"{path}: {error}") from None
    try:
        return read_scenario(document if document is not None else [])
    except ScenarioError as error:
        raise ScenarioError(f"{path}: {error}") from None


@dataclass(slots=True)
class _Counted:
    """A rule with what it has seen."""

    rule: Rule
    seen: int = 0
    recent: deque[float] = field(default_factory=deque)
    """Monotonic times of the requests let through within the last second."""
    chance: random.Random = field(init=False)

    def __post_init__(self) -> None:
        self.chance = random.Random(self.rule.match.seed)  # noqa: S311 — a repeatable scenario

    def fires(self, now: float) -> bool:
        match = self.rule.match
        if match.over_per_second is not None and not self._too_many(now, match.over_per_second):
            return False
        turn = self.seen - match.skip
        self.seen += 1
        if turn < 0 or (match.first is not None and turn >= match.first):
            return False
        return (turn + 1) % match.every == 0 and self.chance.random() < match.probability

    def _too_many(self, now: float, limit: int) -> bool:
        while self.recent and self.recent[0] <= now - 1.0:
            self.recent.popleft()
        if len(self.recent) < limit:
            self.recent.append(now)
            return False
        return True


class Script:
    """A scenario being played: the rules with their counts; one thread asks it."""

    def __init__(self, scenario: Scenario) -> None:
        self.scenario = scenario
        self._rules = [_Counted(rule) for rule in scenario.rules]

    def choose(self, service: Service, method: str, path: str, file: str | None) -> Do | None:
        """Return what the first rule that fires does; later rules do not count this request.

        Rules with a file glob are asked with a file name, the others with None.
        """
        now = time.monotonic()
        for counted in self._rules:
            if counted.rule.match.fits(service, method, path, file) and counted.fires(now):
                return counted.rule.do
        return None
