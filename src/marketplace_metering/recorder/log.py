"""The recorder's logger, loaded when there is something to say: most imports never need it."""

from __future__ import annotations

NAME = "marketplace_metering.recorder"
# What must not reach a log: credentials in the words of other people's errors.
SECRETS = (
    (r"://[^/@\s]+@", "://***@"),  # user and password of a URL
    (r"\b(?:AKIA|ASIA)[A-Z0-9]{12,}\b", "***"),  # an access key's id
    (r"(?i)((?:signature|credential|token|secret|password)[\w-]*[=:]\s*)[^\s&,;]+", r"\1***"),
)
LONGEST = 500


def info(text: str, *values: object) -> None:
    """Say that all is well again."""
    _say("info", text, *values)


def warning(text: str, *values: object) -> None:
    """Say that usage waits."""
    _say("warning", text, *values)


def error(text: str, *values: object) -> None:
    """Say that usage was not counted, or needs a person."""
    _say("error", text, *values)


def exception(text: str, *values: object) -> None:
    """Say that this program is wrong, with its trace."""
    _say("exception", text, *values)


def _say(how: str, text: str, *values: object) -> None:
    import logging

    getattr(logging.getLogger(NAME), how)(text, *values)


def without_secrets(text: str) -> str:
    """The text, cut to a line or so, with what looks like a credential blacked out."""
    import re

    for pattern, instead in SECRETS:
        text = re.sub(pattern, instead, text)
    return text if len(text) <= LONGEST else f"{text[: LONGEST - 3]}..."
