"""Decide whether a file is whole and acceptable: signature, structure, readiness, names (pure)."""
