"""One input on its way into a store: by its recorder, a file, or plain puts into the table."""

from __future__ import annotations

from marketplace_metering.core.record import Problem
from marketplace_metering.jobs.record import record
from marketplace_metering.ports import OpenStore, Ports
from marketplace_metering.proof.worlds.applications import Input
from marketplace_metering.proof.worlds.safety import Auditor
from marketplace_metering.proof.worlds.shared_events import usage_records_of
from marketplace_metering.proof.worlds.stores import Shop


def hand_over(drawn: Input, shop: Shop, auditor: Auditor, ports: Ports, opened: OpenStore) -> str:
    """Do it as the application would; answers what became of it, for the story."""
    if drawn.is_put and shop.table is not None:
        if drawn.event is not None:
            drawn.event.is_put = True
        for piece, written in zip(drawn.pieces, drawn.says, strict=True):
            assert not isinstance(piece.item, Problem)
            with auditor.recorded.putting(piece.item, written):
                shop.table.put(ports.clock, piece.item)
        return f"{len(drawn.pieces)} put"
    if drawn.event is not None and not drawn.is_put:
        drawn.event.is_begun = True
    if drawn.is_flushed:
        for piece in drawn.pieces:
            assert isinstance(piece.item, dict)
            shop.flush(opened, ports.clock, usage_records_of(piece.item))
        return "flushed"
    report = record(ports.store, ports.clock, drawn.source, drawn.pieces)
    auditor.marks["usage recorded before"] += report.already_there
    return f"{report.added} added, {report.already_there} there, {report.refused} refused"
