"""No silent end: every unbilled end has a cause that this world gave it, and raised its alarm."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field

from marketplace_metering.core.balance import Balance
from marketplace_metering.core.identity import BookKey
from marketplace_metering.core.ledger import AlarmKind
from marketplace_metering.jobs.seal import SealReport
from marketplace_metering.proof.worlds.aws import SimulatedAws
from marketplace_metering.proof.worlds.expected_usage import Window, shown
from marketplace_metering.proof.worlds.fault_mix import Mix
from marketplace_metering.proof.worlds.listings import Cast
from marketplace_metering.proof.worlds.safety import Auditor, Violation
from marketplace_metering.proof.worlds.snapshot import EntryRow, MeterName, Snapshot, UsageRow
from marketplace_metering.proof.worlds.timeline import month_of

A_MOMENT_S = 5  # what a step takes by itself
COUNTS_ONCE = "an event counts once"
STUCK = "this usage record was changed after it was sealed"
OUT_OF_TIME = "TimestampOutOfBoundsException"  # AWS's own word in the reason


@dataclass(slots=True)
class Endings:
    """Looks at what is not billed."""

    mix: Mix
    cast: Cast
    aws: SimulatedAws
    auditor: Auditor
    written_off: set[Window] = field(default_factory=set)
    may_have_died: bool = False  # some process died or stood still between call and answer
    given: set[str] = field(default_factory=set)  # licences that a person gave to a product code
    told: set[Window] = field(default_factory=set)  # somebody heard "Success" and lived to store it
    full_books: set[BookKey] = field(default_factory=set)  # for some time there was no room for
    longest_hold_s: float = 0.0  # how long a process was held up at one step

    def check_alarms(self, books: Snapshot) -> None:
        """At any time: all usage that is not billed as recorded has its alarm stored with it."""
        raised = Counter((alarm.kind, alarm.meter, alarm.hour) for alarm in books.alarms)
        of_meter = {(alarm.kind, alarm.meter) for alarm in books.alarms}
        for entry in books.entries:
            for kind in self._alarms_due(entry):
                if not raised[kind, *entry.window]:
                    where = shown(entry.window)
                    raise Violation(f"{where} is {entry.state} and no alarm says {kind!r}")
        for row in (each for each in books.usage if each.failure is not None):
            kinds = ("late usage rejected", "refused input")
            is_told = any(raised[kind, row.meter, row.hour] for kind in kinds)
            # A process that was held up marks what its window has given back meanwhile; then it
            # looks, and marks once more.
            is_told |= str(row.failure).startswith("parked") and ("parked", row.meter) in of_meter
            if self.auditor.billed_units.is_restored:
                continue  # it was told by a ledger that is lost
            if not is_told and ("released", row.meter) not in of_meter:
                raise Violation(f"{row} is listed and no alarm was raised")
        refused = sum(alarm.kind == "refused input" for alarm in books.alarms)
        is_whole = not self.auditor.billed_units.is_restored  # or a lost ledger had told of them
        if is_whole and refused < len(books.refused_inputs):
            raise Violation(f"{len(books.refused_inputs)} inputs refused, {refused} alarms")

    def _alarms_due(self, entry: EntryRow) -> list[str]:
        due = []
        if entry.state in ("parked", "unresolved", "written off"):
            due.append(entry.state)
        is_freed = entry.window in self.auditor.recorded.freed_by_person
        if entry.state == "released" and not is_freed:
            due.append("released")
        # What is held after a restore is sent by nobody.
        is_restored = self.auditor.billed_units.is_restored
        if entry.name in self.auditor.without_tags and not is_restored:
            due.append("billed without tags")
        if any(month_of(line[0]) != month_of(entry.hour) for line in entry.lines):
            due.append("carried into another month")
        return due

    def check_told(self, report: SealReport, heard: Iterable[tuple[object, ...]]) -> None:
        """A book that could not be stored had no room, and somebody has told people by now."""
        for book in report.unstorable:
            if book.key not in self.full_books:
                raise Violation(f"there is room for it, and it was not stored: {book}")
            if AlarmKind.UNSTORABLE not in {kind for kind, *_where in heard}:
                raise Violation(f"nobody was told: {book}")
            self.auditor.marks["book without room"] += 1

    def check_refused_inputs(self, books: Snapshot) -> None:
        """At rest: what is no usage record is kept, once, and nothing else is refused."""
        kept = Counter(text for _source, text in books.refused_inputs)
        expected = {text for each in self.auditor.recorded.inputs for text in each.bad}
        if self.auditor.billed_units.is_restored:
            return  # the copy brought others along, and a lost ledger took some with it
        if set(kept) != expected:
            raise Violation(
                f"refused input is not what was wrong: missing {expected - set(kept)}, "
                f"too much {set(kept) - expected}"
            )

    def check_settled(self, books: Snapshot, now_s: int) -> None:
        """Some rounds after the faults: everything that AWS can accept is sent and answered.

        A round is an hour, and nothing is sent within the margin before its deadline: what had its
        last unanswered attempt right before a round may have no other before that margin.
        """
        latest_s = now_s + self.mix.policy.safety_margin.total_seconds() + self.mix.skew_s
        for entry in books.entries:
            where = shown(entry.window)
            if entry.state == "sealed" and entry.deadline_s > latest_s:
                raise Violation(f"{where} is still not sent although nothing is in the way")
            if entry.state == "parked" and not self._refusal_cause(entry.meter, entry.reason or ""):
                raise Violation(f"{where} is parked without a cause: {entry.reason}")

    def check_at_rest(
        self, books: Snapshot, delivered: Collection[tuple[object, ...]], now_s: int
    ) -> None:
        """In the end: nothing is open, and what is unbilled could not have been billed.

        What was carried in the last rounds is parked up to a deadline of its own.
        """
        self.auditor.marks.update(f"alarm: {alarm.kind}" for alarm in books.alarms)
        for entry in books.entries:
            is_young = entry.state == "parked" and entry.deadline_s > now_s
            if not is_young or not self._refusal_cause(entry.meter, entry.reason or ""):
                self._check_end(entry)
        for row in books.usage:
            if row.entry is None:
                self._check_uncovered(row, _codes_of(row, books))
        for name, rows in books.events.items():
            if (name.account, name.second) in self.auditor.recorded.moved_away:
                continue  # its use is another buyer's
            if rows and not self.auditor.billed_units.is_restored and all(map(_repeats, rows)):
                raise Violation(f"event {name.event_id} is a repetition of itself: {rows}")
        for alarm in books.alarms:
            if alarm[:4] not in delivered:
                raise Violation(f"an alarm was never delivered: {alarm}")

    def check_report(self, balances: Sequence[Balance], usage: Sequence[UsageRow]) -> None:
        """What `metering status` recounts comes out even, names what was overwritten after it was
        sealed, and bills what AWS bills."""
        for balance in balances:
            if not balance.is_balanced:
                raise Violation(f"`metering status` does not balance: {balance}")
        named = Counter(
            (each.meter.account, each.created_ns)
            for balance in balances
            for each in balance.missing
        )
        overwritten = _overwritten(usage)
        if named != overwritten:
            said = f"names {named - overwritten} too much and {overwritten - named} too little"
            raise Violation(f"`metering status` {said} of what was overwritten")
        if self.aws.foreign:
            return  # another program's usage passes for ours where an answer of ours was lost
        told = sum(each.billed.quantity.micros + each.presumed.quantity.micros for each in balances)
        unknown = sum(each.unresolved.quantity.micros for each in balances)
        billed = sum(each.content.quantity for each in self.auditor.accepted.values())
        if not told <= billed <= told + unknown:
            raise Violation(f"`metering status` reports {told} millionths, AWS bills {billed}")

    def _check_end(self, entry: EntryRow) -> None:
        window, where = entry.window, shown(entry.window)
        if window in self.told and entry.is_live and entry.state != "billed":
            raise Violation(f"{where} is {entry.state}, although AWS said Success")
        match entry.state:
            case "sealed" | "parked":
                raise Violation(f"{where} is {entry.state} for ever")
            case "unresolved":
                known = window in self.aws.unanswered or window in self.aws.foreign
                if not (known or self.may_have_died):
                    raise Violation(f"{where} is unresolved, and every attempt was answered")
            case "written off" if window not in self.written_off:
                raise Violation(f"{where} is written off, and no person did it")
            case _:
                pass

    def _check_uncovered(self, row: UsageRow, codes: set[str]) -> None:
        if self.auditor.billed_units.is_restored and row.failure is not None:
            return  # its cause may lie in the ledger that is lost
        if row.failure is None:
            if self.mix.policy.late != "hold":
                raise Violation(f"{row} is pending for ever")
            if self.auditor.lateness.is_on_time(row):
                raise Violation(f"{row} was recorded on time, and is held as late")
            self.auditor.marks["late usage held"] += self.auditor.lateness.is_late(row)
            return
        if _repeats(row):
            self.auditor.marks["event put elsewhere again"] += 1
            return
        if self.mix.policy.late == "reject" and "setting" in row.failure:
            return
        is_elsewhere = "is metered under product" in row.failure
        if is_elsewhere and (codes or row.meter.license_arn in self.given):
            self.auditor.marks["licence of another product code"] += 1
            return
        place = (row.meter.account, row.created_ns)
        is_stuck = row.failure.startswith(STUCK) and self.auditor.recorded.slots.was_overwritten(
            place
        )
        self.auditor.marks["usage put over what was billed"] += is_stuck
        if not is_stuck and not self._refusal_cause(row.meter, row.failure):
            raise Violation(f"{row} is listed without a cause")

    def _refusal_cause(self, meter: MeterName, said: str) -> str | None:
        """Why AWS may refuse usage of the meter in this world."""
        readings = self.mix.readings
        if meter.dimension not in self.cast.prices[meter.product]:
            return "no such dimension"
        off_s = self.mix.off_s + self.longest_hold_s + A_MOMENT_S
        if OUT_OF_TIME in said and off_s >= self.mix.policy.safety_margin.total_seconds():
            return "a process was halted before its call, or its clock is wrong"
        if OUT_OF_TIME in said and self.auditor.may_seal_open_hours:
            return "an hour that was not over was sealed on request"
        if meter.license_arn is None and readings.product_code_with_account == "refused":
            return "no licence"
        if readings.decimals == "refused" and "ValidationException" in said:
            return "fractions"
        ends = {buyer.ends_at for buyer in self.cast.buyers if buyer.is_metered_by(meter)}
        if ends != {None}:
            return "the buyer left, or never came"
        if any(each.what == meter.account for each in self.cast.suspensions):
            return "the buyer was suspended"
        return None


def _codes_of(row: UsageRow, books: Snapshot) -> set[str]:
    """The other product codes under which the licence of a usage record was used."""
    arn = row.meter.license_arn
    if arn is None or row.failure is None:
        return set()
    meters = [used.meter for used in books.usage] + [entry.meter for entry in books.entries]
    return {m.product for m in meters if m.license_arn == arn} - {row.meter.product}


def _overwritten(usage: Sequence[UsageRow]) -> Counter[tuple[str, int]]:
    """At which places entries hold usage that does not stand there any more, and how often.

    What stands there is what no entry holds, or what one of them holds.
    """
    held = Counter((row.meter.account, row.created_ns) for row in usage if row.entry is not None)
    loose = {(row.meter.account, row.created_ns) for row in usage if row.entry is None}
    return +Counter({place: count - (place not in loose) for place, count in held.items()})


def _repeats(row: UsageRow) -> bool:
    """Whether it is listed because its event is another usage record."""
    return row.failure is not None and COUNTS_ONCE in row.failure
