"""The processes of a world: what each of them runs, on a clock of its own."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from marketplace_metering.core.ledger import Alarm
from marketplace_metering.core.policy import Policy, Scope
from marketplace_metering.jobs.deliver_alarms import deliver_alarms
from marketplace_metering.jobs.seal import SealReport, seal
from marketplace_metering.jobs.submit import Stop, SubmitReport, submit
from marketplace_metering.ports import OpenStore, Ports
from marketplace_metering.proof.worlds.aws import Line, name_of
from marketplace_metering.proof.worlds.clocks import SkewedClock
from marketplace_metering.proof.worlds.fault_injection import Steps
from marketplace_metering.proof.worlds.time_limit import TimeLimit


class Pager:
    """The person who is alerted; remembers each alarm. See `ports.Notifier`."""

    def __init__(self, steps: Steps) -> None:
        self._steps = steps
        self.heard: Counter[tuple[object, ...]] = Counter()

    def notify(self, alarms: Sequence[Alarm]) -> None:
        """Hear them."""
        self._steps.between("before a call to the pager")
        for alarm in alarms:
            window, quantity = alarm.window, alarm.quantity
            where = (None, None) if window is None else (name_of(window.meter), window.hour.number)
            micros = None if quantity is None else quantity.micros
            self.heard[str(alarm.kind), *where, micros] += 1
        self._steps.between("after a call to the pager")


@dataclass(slots=True)
class Process:
    """A machine or container: its clock stays, what it remembers does not survive a crash."""

    name: str
    clock: SkewedClock
    marketplace: Line
    opened: OpenStore | None = None
    is_busy: bool = False


def job(
    ports: Ports,
    policy: Policy,
    scope: Scope,
    marks: Counter[str],
    on_sealed: Callable[[SealReport], None],
    limit: TimeLimit,
) -> str:
    """The metering job: seal, then tell people."""
    report = seal(ports, policy, scope, limit.end_of_work(ports.clock.now()))
    on_sealed(report)
    marks.update(f"usage waits: {why}" for why, count in report.waiting_records.items() if count)
    marks["book contended to the end of a run"] += report.contended_books
    told = deliver_alarms(ports)
    return _sealed(report) + (f"; {told} alarms delivered" if told else "")


def processor(
    ports: Ports,
    policy: Policy,
    marks: Counter[str],
    limit: TimeLimit,
    ring: Callable[[], None],
) -> str:
    """The metering processor: submit, ring again if there was no time for all, then tell people."""
    report = submit(ports, policy, limit.end_of_work(ports.clock.now()))
    if report.stop is Stop.BUDGET and report.requests:
        ring()
    marks[f"submit stops: {report.stop}"] += 1
    told = deliver_alarms(ports)
    return _submitted(report) + (f"; {told} alarms delivered" if told else "")


def _sealed(report: SealReport) -> str:
    parts = [f"sealed {report.entries} entries with {report.quantity}"]
    if report.carried.micros:
        parts.append(f"{report.carried} carried")
    if report.rejected_records:
        parts.append(f"{report.rejected_records} usage records rejected")
    parts += [f"{count} wait: {why}" for why, count in report.waiting_records.items() if count]
    parts += [f"no room: {each}" for each in report.unstorable]
    if report.contended_books:
        parts.append(f"{report.contended_books} books contended")
    return "; ".join(parts)


def _submitted(report: SubmitReport) -> str:
    states = ", ".join(f"{count} {state}" for state, count in sorted(report.entries.items()))
    return f"{report.requests} requests: {states or 'nothing'}; {report.stop}"
