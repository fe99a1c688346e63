"""What every plan keeps, whatever is pending and whenever it is made (rules 1 to 5, 9 and 12)."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import pairwise
from random import Random

from hypothesis import given
from hypothesis import strategies as st

from marketplace_metering.core.hours import UsageHour, deadline_of, epoch_ns, stamp_of
from marketplace_metering.core.identity import Meter, Window
from marketplace_metering.core.ledger import AlarmKind, EntryKey
from marketplace_metering.core.limits import ALLOCATIONS_MAX, QUANTITY_MICROS_MAX, TAGS_MAX
from marketplace_metering.core.plan import Book, Group, Plan, Sealing, Waits, plan
from marketplace_metering.core.policy import LateUsage, Policy, Scope
from marketplace_metering.core.quantity import Quantity, total
from marketplace_metering.core.record import Tags
from marketplace_metering.core.wire import body_bytes, usage_record
from tests.support.build import METER, licensed
from tests.support.clock import utc

METERS = (METER, licensed(), licensed(arn="arn:aws:license-manager::444455556666:license:l-2"))
MONTH_END = utc("2026-12-01 00:00")


@dataclass(frozen=True)
class Case:
    """One call of the planner."""

    book: Book
    groups: tuple[Group, ...]
    now: datetime
    policy: Policy
    scope: Scope
    looked_through: UsageHour | None

    def plan(self, groups: Sequence[Group] | None = None) -> Plan:
        given = self.groups if groups is None else groups
        return plan(self.book, given, self.now, self.policy, self.scope, self.looked_through)

    def was_recorded_late(self, group: Group) -> bool:
        looked = self.looked_through
        return looked is not None and group.hour <= looked and not group.was_given_back

    def is_closed(self, hour: UsageHour) -> bool:
        if self.scope is Scope.EVERYTHING:
            return hour.start <= self.now
        return hour.end + self.policy.grace <= self.now


def a_case(seed: int, size: int) -> Case:
    """Mostly around a month's end; usage of two days; books with and without gaps.

    Drawn from plain dice, because hypothesis takes a hundred times as long for it.
    """
    dice = Random(seed)
    now = MONTH_END + timedelta(minutes=dice.randint(-600, 1800))
    newest = UsageHour.of(now)

    def an_hour() -> UsageHour:
        return newest.plus(1 - dice.randint(0, 30))

    def some_tags() -> Tags:
        keys = dice.sample("abcdefg", dice.choice((0, 0, 1, 2, 5)))
        return tuple((key, dice.choice("12")) for key in sorted(keys))

    groups = []
    for number in range(size):
        hour = an_hour()
        offset_ns = dice.randint(0, 3_599) * 1_000_000_000 + dice.choice((0, 1))
        most = dice.choice((5_000_000, QUANTITY_MICROS_MAX // 2, QUANTITY_MICROS_MAX))
        groups.append(
            Group(
                dice.choice(METERS),
                hour,
                some_tags(),
                Quantity(dice.randint(0, most)),
                dice.randint(1, 3),
                epoch_ns(hour.start) + offset_ns,
                number,
                dice.random() < 0.2,
            )
        )
    live: dict[UsageHour, set[Window]] = defaultdict(set)
    for _ in range(dice.choice((0, 5, 20, 60))):
        window = Window(dice.choice(METERS), an_hour())
        taken = live[window.hour]
        if all(other.meter.is_licensed == window.meter.is_licensed for other in taken):
            taken.add(window)
    windows = frozenset(window for each in live.values() for window in each)
    released = [
        EntryKey(Window(dice.choice(METERS), an_hour()), serial)
        for _ in range(dice.randint(0, 3))
        for serial in range(2)
    ]
    policy = Policy(
        grace=timedelta(minutes=dice.choice((0, 5, 60))),
        window_length=timedelta(hours=dice.choice((4, 6, 24, 24))),
        safety_margin=timedelta(minutes=dice.choice((0, 5, 30))),
        late=dice.choice((LateUsage.CARRY, LateUsage.CARRY, LateUsage.REJECT, LateUsage.HOLD)),
    )
    book = Book(METER.book_key, dice.randint(0, 5), windows, tuple(dict.fromkeys(released)))
    looked_through = dice.choice((None, an_hour(), an_hour(), newest))
    return Case(book, tuple(groups), now, policy, dice.choice(tuple(Scope)), looked_through)


CASES = st.builds(a_case, st.integers(0, 2**40), st.integers(0, 14))


@given(CASES)
def test_every_group_ends_in_exactly_one_place(case: Case) -> None:
    made = case.plan()
    ends = Counter(
        [group.members for sealing in made.sealings for group in sealing.groups]
        + [group.members for group, _why in made.rejected]
        + [group.members for group, _why in made.waiting]
    )
    assert ends == Counter(group.members for group in case.groups)
    assert made.book is case.book


@given(CASES)
def test_entries_hold_exactly_their_groups(case: Case) -> None:
    for sealing in case.plan().sealings:
        entry = sealing.entry
        assert entry.quantity == total(group.quantity for group in sealing.groups)
        assert entry.record_count == sum(group.record_count for group in sealing.groups)
        by_hour: Counter[UsageHour] = Counter()
        for group in sealing.groups:
            by_hour[group.hour] += group.quantity.micros
        assert {line.hour: line.quantity.micros for line in entry.lines} == by_hour
        assert list(entry.lines) == sorted(entry.lines)
        if entry.allocations or any(group.tags for group in sealing.groups):
            by_tags: Counter[object] = Counter()
            for group in sealing.groups:
                by_tags[group.tags] += group.quantity.micros
            keys = {key for tags in by_tags for key, _value in tags}  # type: ignore[attr-defined]
            allocated = {tags: q.micros for tags, q in entry.allocations}
            assert len(entry.allocations) == len(allocated)
            if len(keys) <= TAGS_MAX:
                assert allocated == by_tags
            else:
                rest = allocated.pop((), 0)
                assert {tags: by_tags[tags] for tags in allocated} == allocated
                assert rest == by_tags.total() - sum(allocated.values())


@given(CASES)
def test_every_sealed_window_is_free_closed_and_in_time(case: Case) -> None:
    made = case.plan()
    windows = [sealing.entry.window for sealing in made.sealings]
    assert len(set(windows)) == len(windows)
    assert not case.book.live.intersection(windows)
    for sealing in made.sealings:
        entry = sealing.entry
        assert case.is_closed(entry.window.hour)
        assert entry.deadline == deadline_of(entry.stamp, case.policy.window_length)
        assert case.now < entry.deadline - case.policy.safety_margin
        own = [g.earliest_ns for g in sealing.groups if g.hour == entry.window.hour]
        assert entry.stamp == stamp_of(entry.window.hour, min(own) if own else None)
        assert entry.retry_at == entry.stamp + case.policy.clock_margin
        released = sum(key.window == entry.window for key in case.book.released)
        assert entry.serial == released


@given(CASES)
def test_no_hour_of_a_book_is_metered_under_both_identities(case: Case) -> None:
    identities: dict[UsageHour, set[bool]] = defaultdict(set)
    for window in [*case.book.live, *(s.entry.window for s in case.plan().sealings)]:
        identities[window.hour].add(window.meter.is_licensed)
    assert all(len(each) == 1 for each in identities.values())


@given(CASES)
def test_entries_keep_the_limits_of_aws(case: Case) -> None:
    for sealing in case.plan().sealings:
        entry = sealing.entry
        assert entry.quantity.micros <= QUANTITY_MICROS_MAX
        assert len(entry.allocations) <= ALLOCATIONS_MAX
        assert len({key for tags, _q in entry.allocations for key, _v in tags}) <= TAGS_MAX


@given(CASES)
def test_usage_is_only_carried_forward_and_only_where_its_own_window_cannot_hold_it(
    case: Case,
) -> None:
    made = case.plan()
    filled = {sealing.entry.window: sealing for sealing in made.sealings}
    for sealing in made.sealings:
        for group in sealing.groups:
            to, used_in = sealing.entry.window, group.hour
            assert to.meter == group.meter
            assert to.hour >= used_in
            if to.hour != used_in:
                assert cannot_hold(case, filled, Window(group.meter, used_in), group)


def told(made: Plan, kind: AlarmKind) -> Counter[Window]:
    """How much of each window the alarms of a kind name."""
    raised: Counter[Window] = Counter()
    for alarm in made.alarms:
        if alarm.kind is kind:
            assert alarm.window is not None and alarm.quantity is not None
            raised[alarm.window] += alarm.quantity.micros
    return raised


@given(CASES)
def test_usage_leaves_its_month_only_when_no_later_window_of_it_is_left(case: Case) -> None:
    made = case.plan()
    filled = {sealing.entry.window: sealing for sealing in made.sealings}
    crossing: Counter[Window] = Counter()
    for sealing in made.sealings:
        for group in sealing.groups:
            if sealing.entry.window.hour.month == group.hour.month:
                continue
            crossing[sealing.entry.window] += group.quantity.micros
            hour = group.hour
            while hour.month == group.hour.month:
                assert cannot_hold(case, filled, Window(group.meter, hour), group)
                hour = hour.plus(1)
    assert told(made, AlarmKind.CARRIED_ACROSS_MONTH) == crossing


@given(CASES)
def test_what_waits_has_no_window_and_says_why(case: Case) -> None:
    made = case.plan()
    filled = {sealing.entry.window: sealing for sealing in made.sealings}
    for group, why in made.waiting:
        if why is Waits.OPEN_HOUR:
            assert not case.is_closed(group.hour)
            continue
        assert cannot_hold(case, filled, Window(group.meter, group.hour), group)
        if why is Waits.HELD:
            assert case.policy.late is LateUsage.HOLD
            assert case.was_recorded_late(group)
            continue
        hour = group.hour
        while case.is_closed(hour):
            assert cannot_hold(case, filled, Window(group.meter, hour), group)
            hour = hour.plus(1)


@given(CASES)
def test_only_late_usage_is_rejected_and_each_rejection_raises_an_alarm(case: Case) -> None:
    """One for each window, however many sets of tags it has: with all of their quantity."""
    made = case.plan()
    expected: Counter[Window] = Counter()
    for group, _why in made.rejected:
        assert case.policy.late is LateUsage.REJECT
        assert case.was_recorded_late(group)
        own = Window(group.meter, group.hour)
        expected[own] += group.quantity.micros
        assert own in case.book.live or not is_in_time(case, own, group)
    assert told(made, AlarmKind.LATE_REJECTED) == expected
    assert len({(alarm.kind, alarm.window, alarm.text) for alarm in made.alarms}) == len(
        made.alarms
    )


@given(CASES, st.integers())
def test_the_order_in_which_a_store_reads_does_not_matter(case: Case, seed: int) -> None:
    shuffled = list(case.groups)
    Random(seed).shuffle(shuffled)
    first, second = case.plan(), case.plan(shuffled)
    assert {s.entry for s in first.sealings} == {s.entry for s in second.sealings}
    assert Counter(first.alarms) == Counter(second.alarms)
    assert Counter(map(place, first.waiting)) == Counter(map(place, second.waiting))


@given(CASES)
def test_planning_what_is_left_again_seals_nothing_more(case: Case) -> None:
    """What finds no place now finds none in the book as it is afterwards."""
    made = case.plan()
    live = case.book.live.union(sealing.entry.window for sealing in made.sealings)
    left = [group for group, _why in made.waiting]
    later = Book(case.book.key, 9, live)
    again = plan(later, left, case.now, case.policy, case.scope, case.looked_through)
    assert again.sealings == ()


@given(CASES)
def test_the_oldest_usage_of_a_meter_is_never_left_waiting_behind_newer(case: Case) -> None:
    """Without tags and of one size: if older usage waits for a window, so does what is newer."""
    groups = [
        Group(METER, g.hour, (), Quantity(QUANTITY_MICROS_MAX), 1, g.earliest_ns, g.members)
        for g in case.groups
    ]
    made = case.plan(groups)
    carried = {
        group.members: sealing.entry.window.hour
        for sealing in made.sealings
        for group in sealing.groups
        if sealing.entry.window.hour != group.hour
    }
    without = {group.members for group, why in made.waiting if why is Waits.NO_WINDOW}
    late = [group for group in groups if group.members in without or group.members in carried]
    for older, newer in pairwise(sorted(late, key=lambda group: (group.hour, group.earliest_ns))):
        if older.members in without:
            assert newer.members in without or older.hour == newer.hour


def place(waiting: tuple[Group, Waits]) -> tuple[object, ...]:
    group, why = waiting
    return (group.meter, group.hour, group.tags, group.quantity, why)


def is_in_time(case: Case, window: Window, group: Group) -> bool:
    own = group.earliest_ns if group.hour == window.hour else None
    deadline = deadline_of(stamp_of(window.hour, own), case.policy.window_length)
    return case.now < deadline - case.policy.safety_margin


def cannot_hold(case: Case, filled: dict[Window, Sealing], window: Window, group: Group) -> bool:
    """Whether a window is of no use to a group in the end: an own, slower reading of the rules."""
    if not case.is_closed(window.hour) or window in case.book.live:
        return True
    taken = [other for other in [*case.book.live, *filled] if other.hour == window.hour]
    if any(other.meter.is_licensed != window.meter.is_licensed for other in taken):
        return True
    if not is_in_time(case, window, group):  # it does not count on the stamp of other usage
        return True
    if window not in filled:
        return False
    entry = filled[window].entry
    return bool(entry.quantity.micros + group.quantity.micros > QUANTITY_MICROS_MAX)


@given(
    st.integers(1, 400),
    st.lists(st.text("k", min_size=1, max_size=100), min_size=1, max_size=5, unique=True),
    st.text("v", min_size=200, max_size=256),
)
def test_a_window_always_fits_into_a_request_of_its_own(
    count: int, keys: list[str], value: str
) -> None:
    """With the longest tags AWS takes, and a dimension that JSON writes in twelve bytes a sign."""
    meter = Meter(METER.product, METER.account, "📦" * 255, "arn:aws:" + "x:" * 3 + "y" * 900)
    hour = UsageHour.of(MONTH_END)
    groups = [
        Group(
            meter,
            hour,
            tuple(sorted((key, f"{value[:240]}{number:08d}"[:256]) for key in keys)),
            Quantity(1_234_567_890_123),
            1,
            epoch_ns(hour.start),
            number,
        )
        for number in range(count)
    ]
    now = MONTH_END + timedelta(hours=5)
    made = plan(Book(meter.book_key, 0), groups, now, Policy(), Scope.CLOSED_HOURS)
    assert sum(len(sealing.groups) for sealing in made.sealings) + len(made.waiting) == count
    for sealing in made.sealings:
        assert body_bytes({"UsageRecords": [usage_record(sealing.entry)]}) < 950_000
