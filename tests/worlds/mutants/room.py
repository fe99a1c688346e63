"""Switches in how the stores deal with what is too large."""

from __future__ import annotations

import sqlite3
from typing import Any

import pytest

from marketplace_metering.adapters.dynamodb import intake
from marketplace_metering.adapters.dynamodb.items.book_head import Head
from marketplace_metering.adapters.dynamodb.sealing import append_plans
from marketplace_metering.adapters.sqlite import ledger as of_sqlite
from marketplace_metering.core.plan import Unstorable
from marketplace_metering.jobs import seal, unstorable
from marketplace_metering.jobs.looking_through import Looking


def fail_for_every_book(patch: pytest.MonkeyPatch) -> None:
    original = of_sqlite.SqliteLedger._append

    def append(self: Any, plan: Any, now: Any) -> Any:
        answer = original(self, plan, now)
        if isinstance(answer, Unstorable):
            raise sqlite3.IntegrityError(answer.words)
        return answer

    patch.setattr(of_sqlite.SqliteLedger, "_append", append)


def dynamodb_refuse_all_of_a_transaction(patch: pytest.MonkeyPatch) -> None:
    def isolate(self: Any, steps: Any, words: str, stored: Any) -> None:
        for step in steps:
            stored[step.plan] = Unstorable(words)

    patch.setattr(append_plans.SealingLedger, "_isolate", isolate)


def tell_nobody(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(seal, "tell", lambda ports, books: None)


def tell_with_every_run(patch: pytest.MonkeyPatch) -> None:
    def tell(ports: Any, books: Any) -> None:
        ports.store.set_fact(unstorable.TOLD, "", ports.store.facts().get(unstorable.TOLD))
        original(ports, books)

    original = unstorable.tell
    patch.setattr(seal, "tell", tell)


def forget_what_was_not_stored(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Looking, "left_a_book", lambda self: None)


def dynamodb_list_each_set_of_tags_by_itself(patch: pytest.MonkeyPatch) -> None:
    def rejections(plan: Any) -> Any:
        for group, why in plan.rejected:
            yield append_plans._Rejection(group.hour, why, (group,))

    patch.setattr(append_plans, "_rejections", rejections)


def dynamodb_let_heads_grow(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Head, "_without_what_has_no_room", lambda self: self)


def dynamodb_state_everything(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(intake, "STATEMENT_LENGTH_MAX", 10**9)
