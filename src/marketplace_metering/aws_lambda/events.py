"""Reading what invokes the functions, and writing what they answer."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from marketplace_metering.core.policy import Scope
from marketplace_metering.jobs.seal import SealReport

SCHEDULED = "Scheduled Event"  # EventBridge's detail-type for every schedule


class UnknownEventError(ValueError):
    """The job was invoked with something that it does not know; nothing was done."""

    def __init__(self, event: object) -> None:
        shown = json.dumps(event, default=str)[:200]
        super().__init__(
            f"event {shown} refused: send {{}} to meter everything pending, or "
            f'{{"scope": "{Scope.CLOSED_HOURS}"}} to meter closed hours only'
        )


@dataclass(frozen=True, slots=True)
class JobRequest:
    """What a run of the job is asked to seal."""

    scope: Scope
    round: int = 1  # of one request; a further round goes on where time ran out

    def next_round(self) -> dict[str, object]:
        """The event of the invocation that goes on."""
        return {"scope": str(self.scope), "round": self.round + 1}


def read_job_event(event: object) -> JobRequest:
    """A schedule seals closed hours (money rule 3); a person's `{}` seals everything pending."""
    if event is None or event == {}:
        return JobRequest(Scope.EVERYTHING)
    if isinstance(event, Mapping):
        if event.get("detail-type") == SCHEDULED:
            return JobRequest(Scope.CLOSED_HOURS)
        round_ = event.get("round", 1)
        if set(event) <= {"scope", "round"} and isinstance(round_, int):
            for scope in Scope:
                if event.get("scope") == scope:
                    return JobRequest(scope, round_)
    raise UnknownEventError(event)


def job_answer(request: JobRequest, report: SealReport, continues: bool) -> dict[str, Any]:
    """What the job answers to its caller."""
    head = {"scope": str(request.scope), "round": request.round}
    return {**head, **report.figures(), "continues": continues}


@dataclass(frozen=True, slots=True)
class Messages:
    """A batch from the queue: the ids to answer for, and the bodies that are no doorbell."""

    ids: tuple[str, ...]
    unknown: tuple[str, ...]

    @property
    def ring(self) -> bool:
        """Whether one of them is a doorbell."""
        return len(self.unknown) < len(self.ids)


def read_messages(event: object) -> Messages | None:
    """The messages of a batch; None if the event does not come from a queue."""
    records = event.get("Records") if isinstance(event, Mapping) else None
    if not isinstance(records, Sequence) or isinstance(records, str | bytes):
        return None
    messages = [each for each in records if isinstance(each, Mapping) and each.get("messageId")]
    bodies = [each.get("body") for each in messages]
    return Messages(
        tuple(str(each["messageId"]) for each in messages),
        tuple(str(body) for body in bodies if not _is_doorbell(body)),
    )


def _is_doorbell(body: object) -> bool:
    """A ring of ours, or the clock's."""
    try:
        content = json.loads(body) if isinstance(body, str) else None
    except ValueError:
        return False
    if not isinstance(content, dict):
        return False
    return "doorbell" in content or content.get("detail-type") == SCHEDULED


def batch_answer(failed: Sequence[str] = ()) -> dict[str, Any]:
    """The partial batch response: what SQS is to deliver again.

    It is returned on every path. Answering nothing at all means "all done" to Lambda, and the
    messages are gone (Lambda guide, "Implementing partial batch responses").
    """
    return {"batchItemFailures": [{"itemIdentifier": each} for each in failed]}
