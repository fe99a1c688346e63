"""A clock that moves only when it is told to, or slept on."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta


class Clock:
    """Time for tests; see `ports.Clock`."""

    def __init__(self, at: datetime) -> None:
        self.at = at

    def now(self) -> datetime:
        """The present instant."""
        return self.at

    def sleep(self, seconds: float) -> None:
        """Jump ahead."""
        self.at += timedelta(seconds=seconds)

    def advance(self, **span: float) -> None:
        """Jump ahead by so many hours, minutes or seconds."""
        self.at += timedelta(**span)


def utc(text: str, day: str = "2026-11-20") -> datetime:
    """The instant of "2026-11-30 23:00:01", or of "09:10" on an ordinary day."""
    full = text if " " in text else f"{day} {text}"
    return datetime.fromisoformat(full).replace(tzinfo=UTC)
