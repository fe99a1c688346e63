"""AWS as the simulated processes reach it: the simulator's rules, and a network by seed.

`SimulatedAws` is the one and only AWS of a world. `Line` is one process's `ports.Marketplace`:
like the adapter for boto3 it makes one request for each call, and reads the answer through
`core.wire` and `core.outcome`.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from random import Random
from typing import Any

from marketplace_metering.core.batch import Batch
from marketplace_metering.core.ledger import EntryKey
from marketplace_metering.core.outcome import Answered, Fault, Lost, RequestRefused, read_error
from marketplace_metering.core.wire import read_response, request
from marketplace_metering.proof.worlds.fault_injection import Steps
from marketplace_metering.proof.worlds.fault_mix import Mix
from marketplace_metering.proof.worlds.listings import Cast
from marketplace_metering.proof.worlds.snapshot import MeterName
from marketplace_metering.proof.worlds.timeline import at
from marketplace_metering.simulator import Answer, FaultySimulator, Loss, MarketplaceSimulator
from marketplace_metering.simulator.answers import Refusal
from marketplace_metering.simulator.audit import Accepted
from marketplace_metering.simulator.faults import (
    Chance,
    Missing,
    NotSubscribed,
    ServerError,
    Shuffled,
    Throttle,
    Unprocessed,
)
from marketplace_metering.simulator.faults import Fault as SimulatorFault
from marketplace_metering.simulator.faults import Lost as LostAnswer

FAULTS: Mapping[str, SimulatorFault] = {
    "throttled": Throttle(),
    "500 before": ServerError(),
    "500 after": ServerError(after_acceptance=True),
    "lost before": LostAnswer(after_acceptance=False, loss=Loss.READ_TIMEOUT),
    "lost after": LostAnswer(after_acceptance=True, loss=Loss.CONNECTION_CLOSED),
    "unprocessed": Unprocessed(),
    "missing": Missing(),
    "shuffled": Shuffled(),
}
SETUP_FAULTS = {
    "account refused": "AccessDeniedException",
    "product refused": "InvalidProductCodeException",
}
# After these nobody knows whether the usage of the request was billed.
UNKNOWN = frozenset(
    {"500 before", "500 after", "lost before", "lost after", "missing", "doubled", "unknown status"}
)
ANSWERED = "before the answer is stored"
DISTORTED = frozenset({"missing", "doubled", "unknown status", "unprocessed"})
OPERATION = "BatchMeterUsage"


@dataclass(frozen=True, slots=True)
class Heard:
    """What the network made of one request; no answer at all is a loss or never left."""

    status: int = 0
    body: Mapping[str, Any] | None = None
    loss: str | None = None
    never_left: bool = False
    delay_s: float = 0.05
    is_whole: bool = False  # each record of the request has its one result


class SimulatedAws:
    """The rules, the faults of this world, and a log of what was sent."""

    def __init__(
        self,
        mix: Mix,
        cast: Cast,
        random: Random,
        now_us: Callable[[], int],
        tell: Callable[[str], None],
    ) -> None:
        self.simulator = MarketplaceSimulator(mix.readings, strict=True)
        cast.subscribe_all(self.simulator)
        self._faulty = FaultySimulator(self.simulator)
        self._mix = mix
        self._cast = cast
        self._random = random
        self._now_us = now_us
        self._tell = tell
        self.is_calm = False
        self.requests = 0
        self.faults: Counter[str] = Counter()
        self.halved = 0
        self.unanswered: set[tuple[MeterName, int]] = set()
        self.foreign: set[tuple[MeterName, int]] = set()

    def product_of(self, each: Accepted) -> MeterName:
        """The meter of what AWS accepted."""
        window = each.window
        product = window.product_code
        if window.license_arn is not None:
            product = self.simulator.listings.licenses[window.license_arn].product_code
        assert product is not None
        return MeterName(product, window.buyer, window.dimension, window.license_arn)

    def call(self, body: bytes, windows: list[tuple[MeterName, int]]) -> Heard:
        """One HTTP request and what comes back."""
        self.requests += 1
        kinds = self._draw(windows)
        self.faults.update(kinds)
        told = f"   AWS ({', '.join(kinds)})" if kinds else "   AWS"
        if UNKNOWN.intersection(kinds):
            self.unanswered.update(windows)
        if "unreachable" in kinds:
            self._tell(f"{told}: no connection")
            return Heard(never_left=True)
        for kind, code in SETUP_FAULTS.items():
            if kind in kinds:
                self._tell(f"{told}: {code}")
                refusal = Refusal(code, "mend the set-up").answer()
                return Heard(refusal.status, refusal.body)
        chances = [Chance(FAULTS[kind], 1) for kind in kinds if kind in FAULTS]
        for account in self._suspended():
            chances.append(Chance(NotSubscribed(account), 1))
        self._faulty.plan(chances=chances, seed=self.requests)
        answer = self._faulty.answer(OPERATION, body, at(self._now_us()))
        if answer.loss is not None:
            self._tell(f"{told}: no answer")
            return Heard(loss=str(answer.loss))
        delay_s = self._random.uniform(1, 29) if "slow" in kinds else 0.05
        is_whole = not DISTORTED.intersection(kinds)
        heard = Heard(answer.status, _distort(answer, kinds), None, False, delay_s, is_whole)
        if 400 <= answer.status < 500 and len(windows) > 1 and "throttled" not in kinds:
            self.halved += 1
        self._tell(f"{told}: {_summary(heard)}")
        return heard

    def meter_elsewhere(self, meter: MeterName, hour: int) -> None:
        """Another program of the seller meters a window that is ours."""
        body: dict[str, Any] = {
            "UsageRecords": [
                {
                    "Timestamp": hour * 3_600 + 17,
                    "CustomerAWSAccountId": meter.account,
                    "Dimension": meter.dimension,
                    "Quantity": 4_321,
                }
            ]
        }
        if meter.license_arn is None:
            body["ProductCode"] = meter.product
        else:
            body["UsageRecords"][0]["LicenseArn"] = meter.license_arn
        before = len(self.simulator.accepted)
        self.simulator.answer(OPERATION, body, at(self._now_us()))
        self.foreign.add((meter, hour))
        if len(self.simulator.accepted) > before:
            self._tell(f"another program meters {meter} in hour {hour}")

    def _draw(self, windows: list[tuple[MeterName, int]]) -> list[str]:
        if self.is_calm:
            return []
        now = at(self._now_us())
        for outage in self._mix.outages:
            if outage.starts_at <= now < outage.ends_at:
                self.faults["in an outage"] += 1
                return [outage.kind]
        percent = self._mix.percent
        kinds = [kind for kind in percent if self._random.random() * 100 < percent[kind]]
        return [kind for kind in kinds if kind != "shuffled" or len(windows) > 1]

    def _suspended(self) -> list[str]:
        now = at(self._now_us())
        return [
            each.account
            for each in self._cast.suspensions
            if each.starts_at <= now < each.ends_at and not self.is_calm
        ]


def _distort(answer: Answer, kinds: list[str]) -> dict[str, Any]:
    """What AWS's answer never should look like, and may."""
    body: dict[str, Any] = dict(answer.body)
    results = body.get("Results")
    if not results:
        return body
    if "doubled" in kinds:
        results = [*results, results[0]]
    if "unknown status" in kinds:
        results = [*results[:-1], {**results[-1], "Status": "Pending"}]
    return {**body, "Results": results}


def _summary(heard: Heard) -> str:
    assert heard.body is not None
    if heard.status != 200:
        return f"{heard.status} {heard.body.get('__type')}"
    counts = Counter(result["Status"] for result in heard.body["Results"])
    counts["unprocessed"] = len(heard.body["UnprocessedRecords"])
    return "200 " + ", ".join(f"{n} × {name}" for name, n in counts.items() if n)


class Line:
    """One process's way to AWS; see `ports.Marketplace`."""

    def __init__(self, aws: SimulatedAws, steps: Steps, pass_s: Callable[[float], None]) -> None:
        self._aws = aws
        self._steps = steps
        self._pass_s = pass_s
        self.told: set[tuple[MeterName, int]] = set()  # of what AWS told this process "Success"

    def take_turn(self) -> None:
        """A fifth of a second for each request, as the default pace has it."""
        self._pass_s(0.2)

    def submit(self, batch: Batch) -> Answered[EntryKey] | RequestRefused | Lost:
        """One request; as `adapters.marketplace_api.MarketplaceApi.submit`."""
        body = json.dumps(request(batch.entries)).encode()
        self._steps.between("before the request leaves")
        heard = self._aws.call(body, [_window(entry.key) for entry in batch.entries])
        self._pass_s(heard.delay_s)
        self._steps.between(ANSWERED)
        if heard.never_left:
            return RequestRefused(Fault.UNREACHABLE, "EndpointConnectionError", "no connection")
        if heard.loss is not None:
            return Lost(heard.loss)
        assert heard.body is not None
        if heard.status != 200:
            code, message = str(heard.body["__type"]), str(heard.body["message"])
            return read_error(code, heard.status, message)
        answer = read_response(batch.entries, heard.body)
        results = heard.body.get("Results", ())
        if heard.is_whole and {r["Status"] for r in results} == {"Success"}:
            self.told.update(_window(entry.key) for entry in batch.entries)
        return answer


def _window(key: EntryKey) -> tuple[MeterName, int]:
    meter = key.window.meter
    name = MeterName(meter.product, meter.account, meter.dimension, meter.license_arn)
    return name, key.window.hour.number
