"""Switches in the reading of AWS's answers."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from botocore.exceptions import ProxyConnectionError

from marketplace_metering.adapters.aws import failed_calls
from marketplace_metering.adapters.aws.metering_api import MarketplaceApi
from marketplace_metering.core import outcome, wire
from marketplace_metering.core.outcome import (
    Accepted,
    Deferred,
    Fault,
    Lost,
    Outcome,
    RequestRefused,
)
from marketplace_metering.proof.worlds import aws


def believe_every_200(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(wire, "_outcome", lambda result: Accepted(result.get("MeteringRecordId")))


def believe_unprocessed(patch: pytest.MonkeyPatch) -> None:
    original = wire._sole_outcome

    def of(outcomes: Any) -> Any:
        found = original(outcomes)
        return Accepted(None) if isinstance(found, Deferred) else found

    patch.setattr(wire, "_sole_outcome", of)


def take_silence_for_refusal(patch: pytest.MonkeyPatch) -> None:
    original = wire._sole_outcome
    silence: list[Outcome] = [Deferred("silence")]
    patch.setattr(wire, "_sole_outcome", lambda outcomes: original(outcomes or silence))


def take_unknown_for_refusal(patch: pytest.MonkeyPatch) -> None:
    original = wire._outcome

    def read(result: Any) -> Any:
        found = original(result)
        return Deferred("unknown") if type(found).__name__ == "NoAnswer" else found

    patch.setattr(wire, "_outcome", read)


def take_500_for_refusal(patch: pytest.MonkeyPatch) -> None:
    def read_error(code: str, http_status: int, words: str) -> Any:
        if http_status >= 500:
            return RequestRefused(Fault.THROTTLED, code, words)
        return outcome.read_error(code, http_status, words)

    patch.setattr(aws, "read_error", read_error)


def take_loss_for_refusal(patch: pytest.MonkeyPatch) -> None:
    original = aws.Line.submit

    def submit(self: Any, batch: Any) -> Any:
        answer = original(self, batch)
        if isinstance(answer, Lost):
            return RequestRefused(Fault.UNREACHABLE, "timeout", answer.words)
        return answer

    patch.setattr(aws.Line, "submit", submit)


def take_the_class_for_all(patch: pytest.MonkeyPatch) -> None:
    """As a table of classes alone would have it."""
    original = failed_calls.read_failure

    def read_failure(error: Exception) -> RequestRefused | Lost:
        if isinstance(error, ProxyConnectionError):
            return RequestRefused(Fault.UNREACHABLE, "ProxyConnectionError", str(error))
        return original(error)

    patch.setattr(aws, "read_failure", read_failure)


def know_no_place(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(failed_calls, "_place", lambda chain: None)


def ignore_the_date_of_answers(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(MarketplaceApi, "_clock_ahead", lambda self, date: timedelta(0))
