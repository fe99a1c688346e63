"""Switches in the recording of usage."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from marketplace_metering.adapters.sqlite.intake import SqliteIntake
from marketplace_metering.recorder.place import Place
from marketplace_metering.recorder.spool.disk import DiskSpool
from marketplace_metering.recorder.spool.owner_lock import Owner


def add_repeated_input(patch: pytest.MonkeyPatch) -> None:
    original = SqliteIntake._free_place

    def free_place(self: Any, record: Any, group_id: int) -> Any:
        while True:
            found = original(self, record, group_id)
            if found is not None:
                return found

    patch.setattr(SqliteIntake, "_free_place", free_place)


def take_equal_usage_for_repeated(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(SqliteIntake, "_is_earlier", lambda self, input_id: input_id != self._input_id)


def ignore_event_ids(patch: pytest.MonkeyPatch) -> None:
    original = SqliteIntake.add

    def add(self: Any, records: Any) -> Any:
        # Without its id an event is told from another one by the application's own attributes.
        return original(
            self,
            [
                replace(r, event_id=None, extras={**r.extras, "n": self._source})
                if r.event_id
                else r
                for r in records
            ],
        )

    patch.setattr(SqliteIntake, "add", add)


def forget_corrections(patch: pytest.MonkeyPatch) -> None:
    original = SqliteIntake._begin_input

    def begin_input(self: Any) -> None:
        self._connection.execute("DELETE FROM corrected")
        original(self)

    patch.setattr(SqliteIntake, "_begin_input", begin_input)


def forget_where_a_spool_goes(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(DiskSpool, "bind", lambda self, batch, place: True)


def note_where_a_spool_goes_too_late(patch: pytest.MonkeyPatch) -> None:
    """In memory only: what a kill takes along."""

    def bind(self: Owner, place: Place) -> None:
        self.place = place

    patch.setattr(Owner, "bind", bind)
