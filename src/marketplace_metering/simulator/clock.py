"""The simulator's clock: real time, real time with an offset, or stopped."""

from datetime import UTC, datetime, timedelta


class SimulatorClock:
    """What the HTTP server takes for now; tests and the admin API move it."""

    def __init__(self, start: datetime | None = None, *, frozen: bool = False) -> None:
        self._offset = timedelta(0)
        self._stopped_at: datetime | None = None
        if start is not None or frozen:
            self.set(start or datetime.now(UTC), frozen=frozen)

    @property
    def frozen(self) -> bool:
        """Whether time stands still between calls of `advance`."""
        return self._stopped_at is not None

    def now(self) -> datetime:
        """The simulated instant, aware and in UTC."""
        return self._stopped_at or datetime.now(UTC) + self._offset

    def set(self, instant: datetime, *, frozen: bool = False) -> None:
        """Jump to an instant and run on from there, or stand still there."""
        if instant.tzinfo is None:
            raise ValueError(f"{instant.isoformat()} has no time zone; end it with Z for UTC")
        instant = instant.astimezone(UTC)
        self._stopped_at = instant if frozen else None
        self._offset = instant - datetime.now(UTC)

    def advance(self, seconds: float) -> None:
        """Move on (or back) by some seconds; a stopped clock stays stopped."""
        step = timedelta(seconds=seconds)
        if self._stopped_at is not None:
            self._stopped_at += step
        self._offset += step

    def real(self) -> None:
        """Back to the machine's own time."""
        self._stopped_at = None
        self._offset = timedelta(0)
