"""Faults over the rules: what a network and a busy service do to a client now and then.

`FaultySimulator` answers like the simulator it wraps, but lets scheduled and seeded random
faults happen first. Every fault is deterministic: the same seed and calls, the same faults.
"""

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from marketplace_metering.simulator.answers import Answer, Loss, Refusal
from marketplace_metering.simulator.fields import Record
from marketplace_metering.simulator.marketplace import MarketplaceSimulator, Trouble
from marketplace_metering.simulator.metering import Status
from marketplace_metering.simulator.wire import DEFAULT_REGION


@dataclass(frozen=True, slots=True)
class Throttle:
    """The call is refused with ThrottlingException, and nothing is processed."""


@dataclass(frozen=True, slots=True)
class ServerError:
    """InternalServiceErrorException, before anything was processed or after all of it."""

    after_acceptance: bool = False


@dataclass(frozen=True, slots=True)
class Lost:
    """The answer never arrives: the request was processed fully, or not at all."""

    after_acceptance: bool
    loss: Loss = Loss.CONNECTION_CLOSED


@dataclass(frozen=True, slots=True)
class Slow:
    """The call takes some seconds, and is processed."""

    seconds: float


@dataclass(frozen=True, slots=True)
class Unprocessed:
    """These records (counted from 1) come back in UnprocessedRecords. None: a random part."""

    positions: tuple[int, ...] | None = None


@dataclass(frozen=True, slots=True)
class Missing:
    """These records are accepted but appear in neither list of the answer. None: a random part."""

    positions: tuple[int, ...] | None = None


@dataclass(frozen=True, slots=True)
class Shuffled:
    """Results come in another order than the records."""


@dataclass(frozen=True, slots=True)
class NotSubscribed:
    """A buyer counts as not subscribed for a while. None: every buyer."""

    account: str | None = None


Fault = Throttle | ServerError | Lost | Slow | Unprocessed | Missing | Shuffled | NotSubscribed


@dataclass(slots=True)
class Scheduled:
    """A fault for the next requests: after `skip` of them, `times` times."""

    fault: Fault
    skip: int = 0
    times: int = 1


@dataclass(frozen=True, slots=True)
class Chance:
    """A fault that hits each request with a probability between 0 and 1."""

    fault: Fault
    probability: float


@dataclass(slots=True)
class FaultySimulator:
    """A simulator with faults: the same `answer`, less reliable."""

    simulator: MarketplaceSimulator
    scheduled: list[Scheduled] = field(default_factory=list)
    chances: Sequence[Chance] = ()
    seed: int = 0
    injected: int = 0
    _random: random.Random = field(init=False)

    def __post_init__(self) -> None:
        """Begin with the faults that it was constructed with."""
        self.plan(self.scheduled, self.chances, self.seed)

    def plan(
        self, scheduled: Sequence[Scheduled] = (), chances: Sequence[Chance] = (), seed: int = 0
    ) -> None:
        """Replace all faults and start the dice again."""
        self.scheduled = list(scheduled)
        self.chances = tuple(chances)
        self.seed = seed
        self._random = random.Random(seed)  # noqa: S311 - repeatable faults, no secrets

    def answer(
        self,
        operation: str,
        body: bytes | Mapping[str, object],
        now: datetime,
        region: str = DEFAULT_REGION,
    ) -> Answer:
        """Answer one call, with the faults that are due."""
        with self.simulator.lock:
            faults = self._due()
            self.injected += len(faults)
            trouble = self._trouble(faults)
            answer = self.simulator.answer(operation, body, now, region, trouble)
            return self._distort(answer, faults)

    def _due(self) -> list[Fault]:
        due: list[Fault] = []
        for each in self.scheduled:
            if each.skip > 0:
                each.skip -= 1
            else:
                due.append(each.fault)
                each.times -= 1
        self.scheduled = [each for each in self.scheduled if each.times > 0]
        for chance in self.chances:
            if self._random.random() < chance.probability:
                due.append(chance.fault)
        return due

    def _trouble(self, faults: Sequence[Fault]) -> Trouble:
        refusal: Refusal | None = None
        nothing_processed = False
        loss: Loss | None = None
        unheard = False
        for fault in faults:
            match fault:
                case Throttle():
                    refusal = refusal or Refusal("ThrottlingException", "Rate exceeded")
                case ServerError(after_acceptance):
                    unheard = unheard or after_acceptance
                    if not after_acceptance:
                        refusal = refusal or _internal_error()
                case Lost(after_acceptance, how):
                    loss = how
                    nothing_processed = nothing_processed or not after_acceptance
                case _:
                    pass
        leave = [fault for fault in faults if isinstance(fault, Unprocessed | NotSubscribed)]

        def choose(records: Sequence[Record]) -> Mapping[int, Status]:
            return self._left(leave, records)

        return Trouble(
            refusal=refusal,
            nothing_processed=nothing_processed,
            leave=choose if leave else None,
            loss=loss,
            unheard=unheard or loss is not None,
        )

    def _left(
        self, faults: Sequence[Unprocessed | NotSubscribed], records: Sequence[Record]
    ) -> Mapping[int, Status]:
        left: dict[int, Status] = {}
        for fault in faults:
            match fault:
                case NotSubscribed(account):
                    for record in records:
                        if account is None or record.account == account:
                            left[record.position] = Status.NOT_SUBSCRIBED
                case Unprocessed(positions):
                    for position in self._pick(positions, len(records)):
                        left[position] = Status.UNPROCESSED
        return left

    def _distort(self, answer: Answer, faults: Sequence[Fault]) -> Answer:
        status, body, delay = answer.status, answer.body, answer.delay_seconds
        for fault in faults:
            results = body.get("Results")
            match fault:
                case Slow(seconds):
                    delay += seconds
                case ServerError(after_acceptance=True) if status == 200:
                    failed = _internal_error().answer()
                    status, body = failed.status, failed.body
                case Missing(positions) if isinstance(results, list):
                    gone = set(self._pick(positions, len(results)))
                    kept = [each for at, each in enumerate(results, start=1) if at not in gone]
                    body = {**body, "Results": kept}
                case Shuffled() if isinstance(results, list):
                    order = list(results)
                    self._random.shuffle(order)
                    body = {**body, "Results": order if order != results else results[::-1]}
                case _:
                    pass
        return Answer(status, body, answer.loss, delay)

    def _pick(self, positions: Sequence[int] | None, count: int) -> Sequence[int]:
        if positions is not None:
            return positions
        if count == 0:
            return ()
        return self._random.sample(range(1, count + 1), self._random.randint(1, count))


def _internal_error() -> Refusal:
    return Refusal("InternalServiceErrorException", "An internal error has occurred. Retry.")
