"""Switches in the store on AWS."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from marketplace_metering.adapters.dynamodb import intake
from marketplace_metering.adapters.dynamodb.items import book_head as heads
from marketplace_metering.adapters.dynamodb.items import buyer_books, entry, license_owner
from marketplace_metering.adapters.dynamodb.items.usage_record import EXPIRES, MARKED_BY, REPLACES
from marketplace_metering.adapters.dynamodb.operators import (
    balances,
    corrections,
    recovery,
    reports,
)
from marketplace_metering.adapters.dynamodb.sealing import (
    compare_with_ledger,
    events,
    operator_retries,
)
from marketplace_metering.adapters.dynamodb.settling import change, outcome_marks, write_back
from marketplace_metering.core.balance import Sum
from marketplace_metering.core.quantity import total


def _without_condition(write: dict[str, Any]) -> dict[str, Any]:
    ((kind, parameters),) = write.items()
    condition = parameters.pop("ConditionExpression")
    if kind == "Put":
        for name in ("ExpressionAttributeNames", "ExpressionAttributeValues"):
            parameters.pop(name, None)
    assert condition
    return {kind: parameters}


def ignore_the_version(patch: pytest.MonkeyPatch) -> None:
    original = heads.Head.write

    def write(self: Any, table: str, before: Any) -> Any:
        return _without_condition(original(self, table, before))

    patch.setattr(heads.Head, "write", write)


def claim_what_others_own(patch: pytest.MonkeyPatch) -> None:
    original = license_owner._put_if_free

    def put(table: str, arn: str, owner: Any) -> Any:
        return _without_condition(original(table, arn, owner))

    patch.setattr(license_owner, "_put_if_free", put)


def believe_the_index(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(compare_with_ledger, "_compare_book", lambda *arguments: None)


def count_a_refusal_again(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(change, "_is_done", lambda step, there: False)


def ignore_the_revision(patch: pytest.MonkeyPatch) -> None:
    def update_statement(table: str, before: Any, after: Any) -> Any:
        made = entry.update_statement(table, before, after)
        words = made.words.replace(' AND "revision"=?', "")
        assert words != made.words
        return made._replace(words=words, parameters=made.parameters[:-1])

    def update_write(table: str, before: Any, after: Any) -> Any:
        return _without_condition(entry.update_write(table, before, after))

    patch.setattr(change, "update_statement", update_statement)
    patch.setattr(change, "update_write", update_write)


def overwrite_usage(patch: pytest.MonkeyPatch) -> None:
    def put(self: Any, unplaced: Any, outcome: Any) -> list[Any]:
        self._calls.put(self._names.records, [each.item_at_spot() for each in unplaced])
        for each in unplaced:
            self._took(each, outcome)
        return []

    patch.setattr(intake.DynamoIntake, "_put", put)


def take_equal_usage_for_repeated(patch: pytest.MonkeyPatch) -> None:
    original = intake.KnownPlaces.see

    def see(self: Any, item: Any) -> None:
        original(self, item)
        self.repeated.update(self.others)

    patch.setattr(intake.KnownPlaces, "see", see)


def take_events_again(patch: pytest.MonkeyPatch) -> None:
    # Its place is taken: without a look at the id it goes to the next one.
    patch.setattr(intake, "events_at", lambda item, ns: {})


def forget_corrections(patch: pytest.MonkeyPatch) -> None:
    original = intake.KnownPlaces.see

    def see(self: Any, item: Any) -> None:
        original(self, {name: item[name] for name in item if name != REPLACES})

    patch.setattr(intake.KnownPlaces, "see", see)


def mark_whatever_stands_there(patch: pytest.MonkeyPatch) -> None:
    def careless(marking: Any, ns: int, micros: int) -> Any:
        made = statement(marking, ns, micros)
        words, _and, condition = made.words.partition(' AND "productCode"=?')
        count = 1 + condition.count("?")
        assert condition
        return made._replace(words=words, parameters=made.parameters[:-count])

    statement = outcome_marks.Marking.statement
    patch.setattr(outcome_marks.Marking, "statement", careless)


def leave_the_date_to_be_deleted_at(patch: pytest.MonkeyPatch) -> None:
    original = outcome_marks.marking

    def marking(*arguments: Any) -> Any:
        made = original(*arguments)
        return replace(made, words=made.words.replace(f' REMOVE "{EXPIRES}"', ""))

    patch.setattr(write_back, "marking", marking)


def tell_nobody_of_changed_usage(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(operator_retries, "mark_refused", lambda *arguments: 0)


def remember_one_correction(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(corrections, "replaced_by", lambda item: [])


def believe_events_put_elsewhere(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(events.Events, "settle", lambda self, books, held, now: events.Settled({}, {}))


def put_no_signpost(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(events.Events, "_claim", lambda self, seekers: [])


def look_into_no_other_book(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(buyer_books.BuyerBooks, "others", lambda self, key, first_hour: [])


def ignore_the_buyers_version(patch: pytest.MonkeyPatch) -> None:
    original = buyer_books.BuyerBooks.write

    def write(self: Any, table: str, before: Any) -> Any:
        return _without_condition(original(self, table, before))

    patch.setattr(buyer_books.BuyerBooks, "write", write)


def name_nothing(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(write_back.WriteBack, "_name", lambda self, changed: None)


def name_whatever_is_put_later(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(entry.Stored, "names_members", False)


def take_other_usage_for_a_repair(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(operator_retries, "use_of", lambda match, item: operator_retries.Use.SAME)


def overlook_what_usage_names(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(compare_with_ledger, "_naming", lambda book: {})


def believe_an_old_picture_of_a_mark(patch: pytest.MonkeyPatch) -> None:
    original = operator_retries._is_as_shown

    def is_as_shown(item: Any, match: Any, now: Any) -> bool:
        named = item.get(MARKED_BY, {}).get("S")
        return original(item, match._replace(named=named), now)

    patch.setattr(operator_retries, "_is_as_shown", is_as_shown)


def know_what_was_put_over_other_usage(patch: pytest.MonkeyPatch) -> None:
    original = recovery._is_known

    def is_known(match: Any, book: Any, is_settled: bool) -> bool:
        return original(match, book, is_settled) or (not is_settled and not match.is_free)

    patch.setattr(recovery, "_is_known", is_known)


def name_what_names_an_unknown_entry(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(write_back, "_holds_nothing", lambda covering: True)


def leave_the_place_of_a_moved_event(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(corrections.DynamoCorrections, "_moved_at_its_place", lambda *arguments: [])


def count_as_recorded_what_stands_there(patch: pytest.MonkeyPatch) -> None:
    original = balances.count_balances

    def count(*wanted: Any) -> Any:
        return [
            replace(each, recorded=Sum(each.recorded.quantity - total(m.quantity for m in gone)))
            if (gone := each.missing)
            else each
            for each in original(*wanted)
        ]

    patch.setattr(f"{reports.__name__}.count_balances", count)


def name_nothing_that_is_missing(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(balances, "missing", lambda calls, names, written, now: iter(()))


def name_what_is_given_back(patch: pytest.MonkeyPatch) -> None:
    original = outcome_marks.marking

    def marking(table: str, covering: Any, *rest: Any, **named: Any) -> Any:
        if isinstance(covering, entry.Stored):
            covering = replace(covering, names=None)
        return original(table, covering, *rest, **named)

    patch.setattr(write_back, "marking", marking)
