"""Instants as the demo's usage file writes them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def ms(at: datetime) -> int:
    """Unix milliseconds."""
    return (at - EPOCH) // timedelta(milliseconds=1)


def iso(at_ms: int) -> str:
    """Unix milliseconds as the application writes them in `recorded_at`."""
    at = EPOCH + timedelta(milliseconds=at_ms)
    return f"{at:%Y-%m-%dT%H:%M:%S}.{at_ms % 1_000:03d}Z"
