"""Faults as the admin API reads and shows them."""

from collections.abc import Mapping
from typing import Final

from marketplace_metering.simulator.admin.fields import AdminError, Fields
from marketplace_metering.simulator.answers import Loss
from marketplace_metering.simulator.faults import (
    Chance,
    Fault,
    FaultySimulator,
    Lost,
    Missing,
    NotSubscribed,
    Scheduled,
    ServerError,
    Shuffled,
    Slow,
    Throttle,
    Unprocessed,
)

KINDS: Final = (
    "throttle",
    "server-error",
    "lost",
    "slow",
    "unprocessed",
    "missing",
    "shuffled",
    "not-subscribed",
)
_MEMBERS: Final = (
    "kind",
    "afterAcceptance",
    "loss",
    "seconds",
    "positions",
    "customerAWSAccountId",
)


def plan_faults(faulty: FaultySimulator, fields: Fields) -> None:
    """Replace the faults by those of an admin request."""
    scheduled = []
    for each in fields.objects("scheduled"):
        own = Fields(each, (*_MEMBERS, "skip", "times"))
        scheduled.append(Scheduled(_fault(own), own.count("skip", 0, 0), own.count("times", 1, 1)))
    chances = []
    for each in fields.objects("random"):
        own = Fields(each, (*_MEMBERS, "probability"))
        chances.append(Chance(_fault(own), own.number("probability", 0, 1, 0.1)))
    faulty.plan(scheduled, chances, fields.count("seed", 0, 0))


def show_faults(faulty: FaultySimulator) -> dict[str, object]:
    """The faults still to come and how many have happened."""
    return {
        "scheduled": [
            {**_show(each.fault), "skip": each.skip, "times": each.times}
            for each in faulty.scheduled
        ],
        "random": [
            {**_show(each.fault), "probability": each.probability} for each in faulty.chances
        ],
        "seed": faulty.seed,
        "injectedCount": faulty.injected,
    }


def _fault(fields: Fields) -> Fault:
    kind = fields.text("kind")
    match kind:
        case "throttle":
            return Throttle()
        case "server-error":
            return ServerError(fields.flag("afterAcceptance", default=False))
        case "lost":
            return Lost(fields.flag("afterAcceptance", default=True), _loss(fields))
        case "slow":
            return Slow(fields.number("seconds", 0, 3600, 1))
        case "unprocessed":
            return Unprocessed(fields.positions("positions"))
        case "missing":
            return Missing(fields.positions("positions"))
        case "shuffled":
            return Shuffled()
        case "not-subscribed":
            return NotSubscribed(fields.optional_text("customerAWSAccountId"))
        case _:
            raise AdminError(400, f"unknown fault {kind!r}; known are: {', '.join(KINDS)}")


def _loss(fields: Fields) -> Loss:
    name = fields.optional_text("loss") or Loss.CONNECTION_CLOSED.value
    try:
        return Loss(name)
    except ValueError:
        known = " or ".join(loss.value for loss in Loss)
        raise AdminError(400, f"unknown loss {name!r}; use {known}") from None


def _show(fault: Fault) -> Mapping[str, object]:
    match fault:
        case Throttle():
            return {"kind": "throttle"}
        case ServerError(after_acceptance):
            return {"kind": "server-error", "afterAcceptance": after_acceptance}
        case Lost(after_acceptance, loss):
            return {"kind": "lost", "afterAcceptance": after_acceptance, "loss": loss.value}
        case Slow(seconds):
            return {"kind": "slow", "seconds": seconds}
        case Unprocessed(positions):
            return {"kind": "unprocessed", "positions": positions}
        case Missing(positions):
            return {"kind": "missing", "positions": positions}
        case Shuffled():
            return {"kind": "shuffled"}
        case NotSubscribed(account):
            return {"kind": "not-subscribed", "customerAWSAccountId": account}
