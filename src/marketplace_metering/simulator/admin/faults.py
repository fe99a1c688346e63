"""Faults as the admin API reads and shows them."""

import re
from collections.abc import Callable, Mapping
from dataclasses import asdict
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


def _loss(fields: Fields) -> Loss:
    name = fields.optional_text("loss") or Loss.CONNECTION_CLOSED.value
    try:
        return Loss(name)
    except ValueError:
        known = " or ".join(loss.value for loss in Loss)
        raise AdminError(400, f"unknown loss {name!r}; use {known}") from None


KINDS: Final[Mapping[str, Callable[[Fields], Fault]]] = {
    "throttle": lambda _: Throttle(),
    "server-error": lambda sent: ServerError(sent.flag("afterAcceptance", default=False)),
    "lost": lambda sent: Lost(sent.flag("afterAcceptance", default=True), _loss(sent)),
    "slow": lambda sent: Slow(sent.number("seconds", 0, 3600, 1)),
    "unprocessed": lambda sent: Unprocessed(sent.positions("positions")),
    "missing": lambda sent: Missing(sent.positions("positions")),
    "shuffled": lambda _: Shuffled(),
    "not-subscribed": lambda sent: NotSubscribed(sent.optional_text("customerAWSAccountId")),
}
# The members of a fault that the API calls otherwise than the class does.
_SHOWN_AS: Final = {"after_acceptance": "afterAcceptance", "account": "customerAWSAccountId"}


def _fault(fields: Fields) -> Fault:
    kind = fields.text("kind")
    if kind not in KINDS:
        raise AdminError(400, f"unknown fault {kind!r}; known are: {', '.join(KINDS)}")
    return KINDS[kind](fields)


def _show(fault: Fault) -> Mapping[str, object]:
    """A fault as it is asked for; its kind is the name of its class, in words."""
    kind = "-".join(re.findall("[A-Z][a-z]*", type(fault).__name__)).lower()
    members = {_SHOWN_AS.get(name, name): value for name, value in asdict(fault).items()}
    return {"kind": kind, **members}
