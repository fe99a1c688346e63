"""Switches in what binds a ledger to its place and policy."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from marketplace_metering.core.charter import (
    Charter,
    Claim,
    Contradiction,
    brought_up,
    contradictions,
)
from marketplace_metering.jobs import admit, copies, seal, submit


def _overlook(patch: pytest.MonkeyPatch, *names: str) -> None:
    def some(charter: Charter, claim: Claim) -> Iterator[Contradiction]:
        return (each for each in contradictions(charter, claim) if each.name not in names)

    patch.setattr(admit, "contradictions", some)


def forget_the_region(patch: pytest.MonkeyPatch) -> None:
    _overlook(patch, "region")


def forget_the_account(patch: pytest.MonkeyPatch) -> None:
    _overlook(patch, "account")


def believe_the_shell(patch: pytest.MonkeyPatch) -> None:
    original = admit.chartered

    def chartered(ports: Any, policy: Any) -> Any:
        original(ports, policy)
        return policy

    for module in (seal, submit):
        patch.setattr(module, "chartered", chartered)


def obey_the_shell(patch: pytest.MonkeyPatch) -> None:
    _overlook(patch, "late", "grace_seconds", "record_retention_days")

    def obey(charter: Charter, claim: Claim) -> Charter:
        said = brought_up(charter, replace(claim, is_of_stack=True))
        return replace(said, is_of_stack=charter.is_of_stack)

    patch.setattr(admit, "brought_up", obey)


def ignore_the_template(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(admit, "brought_up", lambda charter, claim: charter)


def move_whatever_is_unsettled(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(admit, "_unsettled", lambda opened: "")


def trust_the_place_that_was(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(copies, "check_place", lambda facts, claim: None)


def admit_while_it_is_moved(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(admit, "_closed", lambda charter, name: charter)
