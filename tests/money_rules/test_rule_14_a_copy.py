"""Rule 14: a copy is not the original: it neither seals nor sends before a person says so."""

from __future__ import annotations

from dataclasses import replace

import pytest

from marketplace_metering.core.copies import Mark, Sending
from marketplace_metering.core.ledger import AlarmKind
from marketplace_metering.jobs.copies import RestoredStoreError
from tests.support.build import usage
from tests.support.world import MeteringWorld, OpenWorld


class MarkOutside:
    """What stands beside the store, and in no backup of it."""

    def __init__(self) -> None:
        self.sending: Sending | None = None

    def read(self) -> Mark | None:
        return None if self.sending is None else Mark(self.sending)

    def raise_to(self, sending: Sending) -> Mark:
        if self.sending is None or self.sending.number < sending.number:
            self.sending = sending
        return Mark(self.sending)


def marked(world: MeteringWorld, mark: MarkOutside) -> None:
    world.ports = replace(world.ports, mark=mark)


def test_a_copy_that_has_not_seen_what_was_sent_does_nothing_and_says_so(
    open_world: OpenWorld,
) -> None:
    mark = MarkOutside()
    with open_world() as original:
        marked(original, mark)
        original.record(usage("11:10", 5))
        original.run()
        assert str(original.billed()) == "5"
    with open_world("13:30") as copy:
        copy.record(usage("11:10", 5))  # as it stood in the backup, not yet sent
        marked(copy, mark)
        for _run in range(2):
            with pytest.raises(RestoredStoreError, match="metering restored --at"):
                copy.seal()
        assert (copy.sent.batches, copy.entries()) == ([], [])
        assert [alarm.kind for alarm in copy.told.alarms] == [AlarmKind.RESTORED]


def test_a_store_that_was_merely_down_goes_on(world: MeteringWorld) -> None:
    mark = MarkOutside()
    marked(world, mark)
    world.record(usage("11:10", 5))
    world.run()
    world.record(usage("12:10", 7))
    world.at("17:30")
    world.run()
    assert str(world.billed()) == "12"
    world.assert_law()


def test_nothing_leaves_whose_mark_was_not_raised(world: MeteringWorld) -> None:
    """Or a copy of this moment would be level with it."""
    mark = MarkOutside()
    marked(world, mark)
    world.record(usage("11:10", 5))
    numbers: list[int] = []
    submit = world.sent.submit

    def seen(batch: object) -> object:
        assert mark.sending is not None
        numbers.append(mark.sending.number)
        return submit(batch)  # type: ignore[arg-type]

    world.sent.submit = seen  # type: ignore[method-assign, assignment]
    world.run()
    world.record(usage("12:10", 7))
    world.at("13:30")
    world.run()
    assert numbers == sorted(set(numbers))
    assert len(numbers) == 2
