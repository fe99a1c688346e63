"""A ledger's charter for people and as JSON."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from marketplace_metering.core.charter import Charter, shown


def place_json(charter: Charter | None) -> dict[str, Any]:
    """Region and account, for programs."""
    if charter is None:
        return {"region": None, "account": None}
    return {"region": charter.region, "account": charter.account}


def values_of(charter: Charter) -> Iterator[tuple[str, str]]:
    """Each value under the name that `metering ledger set` takes."""
    yield "region", charter.region
    yield "account", charter.account or "unknown"
    yield "window_length_hours", shown("window_length_hours", charter.window_length)
    yield "late", str(charter.late)
    for product, late in sorted(charter.late_by_product.items()):
        yield f"products.{product}.late", str(late)
    yield "grace_seconds", shown("grace_seconds", charter.grace)
    yield "record_retention_days", shown("record_retention_days", charter.retention)


def charter_json(charter: Charter | None) -> dict[str, Any] | None:
    """All of it, for programs; None if nothing is written yet."""
    if charter is None:
        return None
    return {**dict(values_of(charter)), "account": charter.account, "changing": charter.changing}
