"""What Django, and so presumably Rossum, makes of an uploaded file's name."""

import html

NAME_MAX = 255
"""Longer names are cut in front of their extension."""


def stored_name(name: str) -> str:
    """Return the name as stored: entities resolved, directories and unprintable characters dropped."""
    name = html.unescape(name)
    name = name.rpartition("/")[2].rpartition("\\")[2]
    name = "".join(character for character in name if character.isprintable())
    if len(name) <= NAME_MAX:
        return name
    stem, dot, extension = name.rpartition(".")
    if not dot or len(extension) >= NAME_MAX:
        return name[:NAME_MAX]
    return stem[: NAME_MAX - len(extension) - 1] + dot + extension
