"""AWS as the simulated processes reach it: the simulator's rules, and a network by seed.

`SimulatedAws` is the one and only AWS of a world. `Line` is one process's `ports.Marketplace`:
like the adapter for boto3 it makes one request for each call, and reads the answer through
`core.wire` and `core.outcome`.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from random import Random
from typing import Any

from marketplace_metering.adapters.aws.failed_calls import read_failure
from marketplace_metering.core.batch import Batch
from marketplace_metering.core.identity import Meter
from marketplace_metering.core.ledger import EntryKey
from marketplace_metering.core.outcome import Answered, Lost, RequestRefused, read_error
from marketplace_metering.core.wire import read_response, request
from marketplace_metering.proof.worlds.broken_calls import NEVER_SENT, SENT, WAYS, error_of
from marketplace_metering.proof.worlds.fault_injection import Steps
from marketplace_metering.proof.worlds.fault_mix import Mix
from marketplace_metering.proof.worlds.listings import Cast
from marketplace_metering.proof.worlds.shells import HOME
from marketplace_metering.proof.worlds.snapshot import MeterName
from marketplace_metering.proof.worlds.timeline import Span, at
from marketplace_metering.simulator import Answer, FaultySimulator, MarketplaceSimulator
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
    "error before the work": ServerError(),
    "error after the work": ServerError(after_acceptance=True),
    "request lost": LostAnswer(after_acceptance=False),
    "answer lost": LostAnswer(after_acceptance=True),
    "records unprocessed": Unprocessed(),
    "results missing": Missing(),
    "results shuffled": Shuffled(),
}
SETUP_FAULTS = {
    "account refused": "AccessDeniedException",
    "product refused": "InvalidProductCodeException",
}
# After these nobody knows whether the usage of the request was billed.
UNKNOWN = frozenset(
    {
        "error before the work",
        "error after the work",
        "request lost",
        "answer lost",
        "results missing",
        "doubled",
        "unknown status",
    }
)
SENDING = "before a call to AWS"
ANSWERED = "after a call to AWS"
DISTORTED = frozenset({"results missing", "doubled", "unknown status", "records unprocessed"})
OPERATION = "BatchMeterUsage"
Window = tuple[MeterName, int]
Windows = list[Window]


@dataclass(frozen=True, slots=True)
class Heard:
    """What the network made of one request: an answer, or a way to break off."""

    status: int = 0
    body: Mapping[str, Any] | None = None
    broke_off: str | None = None
    delay_s: float = 0.05
    is_whole: bool = False  # each record of the request has its one result


@dataclass
class SimulatedAws:
    """The rules, the faults of this world, and a log of what was sent."""

    mix: Mix
    cast: Cast
    random: Random
    now_us: Callable[[], int]
    tell: Callable[[str], None]
    is_calm: bool = False
    requests: int = 0
    faults: Counter[str] = field(default_factory=Counter)
    halved: int = 0
    unanswered: set[Window] = field(default_factory=set)
    foreign: set[Window] = field(default_factory=set)
    # Licensed windows, by all but the product code, which AWS is not told: who was first to send it
    _first: dict[tuple[MeterName, int], Window] = field(default_factory=dict)
    elsewhere: set[Window] = field(default_factory=set)  # those of another program, really

    def __post_init__(self) -> None:
        self.simulator = MarketplaceSimulator(self.mix.readings, strict=True)
        self.cast.subscribe_all(self.simulator)
        self.faulty = FaultySimulator(self.simulator)

    def product_of(self, each: Accepted) -> MeterName:
        """The meter of what AWS accepted; with a licence, by the product code of its sender."""
        window = each.window
        product = window.product_code
        if window.license_arn is not None:
            product = self.simulator.listings.licenses[window.license_arn].product_code
        assert product is not None
        meter = MeterName(product, window.buyer, window.dimension, window.license_arn)
        return self._first_to_send((meter, window.hour))[0]

    def _first_to_send(self, window: Window, is_sent: bool = True) -> Window:
        meter, hour = window
        if meter.license_arn is None:
            return window
        name = meter._replace(product=""), hour
        return self._first.setdefault(name, window) if is_sent else self._first.get(name, window)

    def draw_faults(self, windows: Windows) -> list[str]:
        """What the next request meets; the simulator behind it is told."""
        self.requests += 1
        for window in windows:
            if self._first_to_send(window) in self.foreign:
                self.foreign.add(window)
        outage = next(iter(self._now_in(self.mix.outages)), None)
        kinds = self._draw(windows) if outage is None else [outage]
        self.faults.update(kinds if outage is None else ["in an outage"])
        if UNKNOWN.intersection(kinds):
            self.unanswered.update(windows)
        chances = [Chance(FAULTS[kind], 1) for kind in kinds if kind in FAULTS]
        for account in self._suspended():
            chances.append(Chance(NotSubscribed(account), 1))
            self.faults["buyer suspended"] += any(meter.account == account for meter, _ in windows)
        self.faulty.plan(chances=chances, seed=self.requests)
        return kinds

    def call(self, body: bytes, windows: Windows, region: str = HOME) -> Heard:
        """One HTTP request and what comes back."""
        kinds = self.draw_faults(windows)
        told = f"   AWS ({', '.join(kinds)})" if kinds else "   AWS"
        if "unreachable" in kinds:
            return self._broken(told, kinds, list(NEVER_SENT))
        for kind, code in SETUP_FAULTS.items():
            if kind in kinds:
                self.tell(f"{told}: {code}")
                refusal = Refusal(code, "fix the set-up").answer()
                return Heard(refusal.status, refusal.body)
        answer = self.faulty.answer(OPERATION, body, at(self.now_us()), region)
        if answer.loss is not None:
            return self._broken(told, kinds, list(SENT))
        delay_s = self.random.uniform(1, 29) if "slow" in kinds else 0.05
        is_whole = not DISTORTED.intersection(kinds)
        heard = Heard(answer.status, _distort(answer, kinds), None, delay_s, is_whole)
        if 400 <= answer.status < 500 and len(windows) > 1 and "throttled" not in kinds:
            self.halved += 1
        self.tell(f"{told}: {_summary(heard)}")
        return heard

    def meter_elsewhere(self, meter: MeterName, hour: int) -> None:
        """Another program of the seller meters a window that is ours."""
        usage = {
            "Timestamp": hour * 3_600 + 17,
            "CustomerAWSAccountId": meter.account,
            "Dimension": meter.dimension,
            "Quantity": 4_321,
        }
        body: dict[str, Any] = {"ProductCode": meter.product, "UsageRecords": [usage]}
        if meter.license_arn is not None:
            body = {"UsageRecords": [{**usage, "LicenseArn": meter.license_arn}]}
        before = len(self.simulator.accepted)
        self.simulator.answer(OPERATION, body, at(self.now_us()))
        was_accepted = len(self.simulator.accepted) > before
        first = self._first_to_send((meter, hour), is_sent=was_accepted)
        self.foreign |= {(meter, hour), first}
        if was_accepted:
            self.elsewhere |= {(meter, hour), first}  # whoever sent it first under its licence
            self.tell(f"another program meters {meter} in hour {hour}")

    def _broken(self, told: str, kinds: list[str], ways: list[str]) -> Heard:
        """No answer: each of the ways to break off in its turn, or the one that is scripted."""
        way = next((kind for kind in kinds if kind in WAYS), ways[self.requests % len(ways)])
        self.faults[way] += 1
        self.tell(f"{told}: {way}")
        return Heard(broke_off=way)

    def _draw(self, windows: Windows) -> list[str]:
        if self.is_calm:
            return []
        percent = self.mix.percent
        kinds = [kind for kind in percent if self.random.random() * 100 < percent[kind]]
        return [kind for kind in kinds if kind != "results shuffled" or len(windows) > 1]

    def _suspended(self) -> list[str]:
        return self._now_in(self.cast.suspensions)

    def _now_in(self, spans: Iterable[Span]) -> list[str]:
        now = at(self.now_us())
        return [each.what for each in spans if each.covers(now) and not self.is_calm]


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
        self.region = HOME
        self.told: set[Window] = set()  # of what AWS told this process "Success"

    def take_turn(self) -> None:
        """A fifth of a second for each request, as the default pace has it."""
        self._pass_s(0.2)

    def submit(self, batch: Batch) -> Answered[EntryKey] | RequestRefused | Lost:
        """One request; as `adapters.marketplace_api.MarketplaceApi.submit`."""
        body = json.dumps(request(batch.entries)).encode()
        self._steps.between(SENDING)
        heard = self._aws.call(body, windows_of(batch), self.region)
        self._pass_s(heard.delay_s)
        self._steps.between(ANSWERED)
        if heard.broke_off is not None:
            return read_failure(error_of(heard.broke_off))
        assert heard.body is not None
        if heard.status != 200:
            code, message = str(heard.body["__type"]), str(heard.body["message"])
            return read_error(code, heard.status, message)
        answer = read_response(batch.entries, heard.body)
        results = heard.body.get("Results", ())
        if heard.is_whole and {r["Status"] for r in results} == {"Success"}:
            self.told.update(windows_of(batch))
        return answer


def windows_of(batch: Batch) -> Windows:
    """The windows of a request, as the auditor names them."""
    return [(name_of(entry.window.meter), entry.window.hour.number) for entry in batch.entries]


def name_of(meter: Meter) -> MeterName:
    """A meter as the auditor names it."""
    return MeterName(meter.product, meter.account, meter.dimension, meter.license_arn)
