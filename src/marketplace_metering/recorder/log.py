"""The recorder's logger, loaded when there is something to say: most imports never need it."""

from __future__ import annotations

NAME = "marketplace_metering.recorder"


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
