"""The recorder's logger, loaded when there is something to say: most imports never need it."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import logging

NAME = "marketplace_metering.recorder"
# What must not reach a log: credentials in the words of other people's errors.
SECRETS = (
    (r"://[^/@\s]+@", "://***@"),  # user and password of a URL
    (r"\b(?:AKIA|ASIA)[A-Z0-9]{12,}\b", "***"),  # an access key's id
    (r"(?i)((?:signature|credential|token|secret|password)[\w-]*[=:]\s*)[^\s&,;]+", r"\1***"),
)
LONGEST = 500


def log() -> logging.Logger:
    """Info: all is well again. Warning: usage waits. Error: usage was not counted, or a person is
    needed. Exception: this program is wrong."""
    import logging

    return logging.getLogger(NAME)


def without_secrets(text: str) -> str:
    """The text, cut to a line or so, with what looks like a credential blacked out."""
    import re

    for pattern, instead in SECRETS:
        text = re.sub(pattern, instead, text)
    return text if len(text) <= LONGEST else f"{text[: LONGEST - 3]}..."
