"""The states of an entry: legal steps only, and only what is certainly free is given back."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from marketplace_metering.core import ledger
from marketplace_metering.core.ledger import (
    TRANSITIONS,
    AfterRelease,
    AlarmKind,
    Allocation,
    Attempt,
    Change,
    Entry,
    EntryKey,
    Line,
    State,
)
from marketplace_metering.core.outcome import (
    Accepted,
    Deferred,
    Duplicate,
    NoAnswer,
    NotSubscribed,
    Outcome,
    Refused,
)
from marketplace_metering.core.policy import Policy
from marketplace_metering.core.quantity import QUANTITY_MAX, Quantity
from marketplace_metering.core.remedies import explain
from tests.support.build import entry, hour, quantity, tags, window
from tests.support.clock import utc

POLICY = Policy()
NOW = utc("11:30")
SEALED = entry("09:00", 5)
UNSETTLED = (State.SEALED, State.PARKED)


def answered(before: Entry, outcome: Outcome, number: int | None = None) -> Change:
    change = ledger.answer(before, number or before.begun, outcome, NOW, POLICY)
    assert change is not None
    return change


# Beginning an attempt


def test_an_attempt_is_counted_before_its_call() -> None:
    change = ledger.begin(SEALED, NOW, POLICY)
    assert change == Change(replace(SEALED, begun=1), Attempt(1, NOW))


def test_nothing_is_sent_before_its_retry_time_or_within_the_margin_of_its_deadline() -> None:
    last = SEALED.deadline - POLICY.safety_margin
    instant = timedelta(microseconds=1)
    assert ledger.begin(SEALED, SEALED.retry_at - instant, POLICY) is None
    assert ledger.begin(SEALED, SEALED.retry_at, POLICY) is not None
    assert ledger.begin(SEALED, last - instant, POLICY) is not None
    assert ledger.begin(SEALED, last, POLICY) is None


@pytest.mark.parametrize("state", [state for state in State if state.is_settled])
def test_nothing_is_sent_for_a_settled_entry(state: State) -> None:
    assert ledger.begin(replace(SEALED, state=state), NOW, POLICY) is None


# Answers


def test_success_is_billed_and_keeps_the_record_id() -> None:
    change = answered(replace(SEALED, begun=1), Accepted("record-1"))
    assert change.entry == replace(
        SEALED, begun=1, state=State.BILLED, metering_record_id="record-1"
    )
    assert change.attempt == Attempt(1, NOW, "Accepted", None)
    assert change.alarm is None and change.frees is None


@pytest.mark.parametrize(
    "state", [State.PARKED, State.PRESUMED, State.UNRESOLVED, State.WRITTEN_OFF]
)
def test_a_late_success_is_a_fact(state: State) -> None:
    before = replace(SEALED, state=state, begun=2, reason="some reason")
    change = answered(before, Accepted("record-1"), number=1)
    assert (change.entry.state, change.entry.metering_record_id, change.entry.reason) == (
        State.BILLED,
        "record-1",
        None,
    )


def test_a_second_success_changes_nothing() -> None:
    before = replace(SEALED, state=State.BILLED, begun=2, metering_record_id="record-1")
    assert answered(before, Accepted("record-1")).entry == before


def test_a_success_for_what_was_given_back_raises_an_alarm() -> None:
    before = replace(SEALED, state=State.RELEASED, begun=1, refused=1)
    change = answered(before, Accepted("record-1"))
    assert change.entry == before
    assert change.alarm is not None and change.alarm.kind is AlarmKind.UNRESOLVED
    assert "may be billed twice" in change.alarm.text


@pytest.mark.parametrize(
    ("begun", "refused", "state"),
    [
        (1, 0, State.UNRESOLVED),  # only this attempt: AWS cannot have it from us
        (2, 1, State.UNRESOLVED),  # every earlier one was refused
        (5, 4, State.UNRESOLVED),
        (2, 0, State.PRESUMED),  # an earlier one had no answer
        (5, 3, State.PRESUMED),
    ],
)
@pytest.mark.parametrize("before", UNSETTLED)
def test_a_duplicate_is_ours_only_after_an_own_unrefused_attempt(
    before: State, begun: int, refused: int, state: State
) -> None:
    change = answered(replace(SEALED, state=before, begun=begun, refused=refused), Duplicate())
    assert change.entry.state is state
    assert change.frees is None
    if state is State.PRESUMED:
        assert change.alarm is None
        assert change.entry.reason == (
            "AWS has the record: it accepted an earlier attempt of ours, whose answer was lost"
        )
    else:
        assert change.alarm is not None
        assert (change.alarm.kind, change.alarm.quantity) == (AlarmKind.UNRESOLVED, quantity(5))
        assert change.alarm.text == change.entry.reason
        assert "is another program metering the product?" in change.alarm.text


@pytest.mark.parametrize("outcome", [NotSubscribed(), Refused("InvalidTagException", "bad tag")])
def test_a_refusal_parks_with_words_and_an_alarm(outcome: NotSubscribed | Refused) -> None:
    change = answered(replace(SEALED, begun=1), outcome)
    parked = change.entry
    assert (parked.state, parked.begun, parked.refused) == (State.PARKED, 1, 1)
    assert parked.retry_at == NOW + POLICY.parked_retry
    assert parked.reason == explain(outcome.code, outcome.words)
    assert change.alarm is not None
    assert (change.alarm.kind, change.alarm.window, change.alarm.quantity, change.alarm.text) == (
        AlarmKind.PARKED,
        SEALED.window,
        quantity(5),
        parked.reason,
    )


def test_the_same_refusal_again_is_no_news_but_another_one_is() -> None:
    parked = answered(replace(SEALED, begun=1), NotSubscribed()).entry
    again = answered(replace(parked, begun=2), NotSubscribed())
    assert again.alarm is None
    assert (again.entry.refused, again.entry.retry_at) == (2, NOW + POLICY.parked_retry)
    other = answered(replace(again.entry, begun=3), Refused("InvalidLicenseException"))
    assert other.alarm is not None and other.alarm.kind is AlarmKind.PARKED


def test_a_deferred_attempt_is_certainly_refused_and_waits() -> None:
    change = answered(replace(SEALED, begun=1), Deferred("Rate exceeded"))
    assert (change.entry.state, change.entry.begun, change.entry.refused) == (State.SEALED, 1, 1)
    assert NOW < change.entry.retry_at <= NOW + POLICY.retry_longest
    assert change.alarm is None
    assert change.attempt == Attempt(1, NOW, "Deferred", "Rate exceeded")


def test_a_part_of_a_request_that_is_taken_apart_is_due_at_once() -> None:
    before = replace(SEALED, begun=1)
    change = answered(before, Deferred("half", is_due_at_once=True))
    assert change.entry == replace(before, refused=1)


@pytest.mark.parametrize("state", UNSETTLED)
def test_no_answer_refuses_nothing(state: State) -> None:
    change = answered(replace(SEALED, state=state, begun=1), NoAnswer("timeout"))
    assert (change.entry.state, change.entry.begun, change.entry.refused) == (state, 1, 0)
    assert change.entry.retry_at > NOW
    assert change.alarm is None


@pytest.mark.parametrize("outcome", [Deferred(), NoAnswer()])
def test_a_parked_entry_waits_long_after_any_answer(outcome: Outcome) -> None:
    change = answered(replace(SEALED, state=State.PARKED, begun=1), outcome)
    assert change.entry.retry_at == NOW + POLICY.parked_retry


@pytest.mark.parametrize("state", [state for state in State if state.is_settled])
@pytest.mark.parametrize(
    "outcome", [Duplicate(), NotSubscribed(), Refused("X"), Deferred(), NoAnswer()]
)
def test_a_late_answer_other_than_success_unsettles_nothing(state: State, outcome: Outcome) -> None:
    refused = 3 if state is State.RELEASED else 0
    before = replace(SEALED, state=state, begun=3, refused=refused)
    change = answered(before, outcome, number=1)
    assert change.entry.state is state
    assert change.frees is None and change.alarm is None


@pytest.mark.parametrize("outcome", [NotSubscribed(), Refused("X"), Deferred()])
def test_a_presumption_falls_with_the_attempt_that_it_was_made_of(outcome: Outcome) -> None:
    """The second attempt was a duplicate; then it turns out that AWS refused the first."""
    before = replace(SEALED, state=State.PRESUMED, begun=2, duplicates=1)
    change = answered(before, outcome, number=1)
    assert (change.entry.state, change.entry.refused) == (State.UNRESOLVED, 1)
    assert change.frees is None
    assert change.alarm is not None and change.alarm.kind is AlarmKind.UNRESOLVED
    assert change.alarm.text.startswith("AWS holds a record of this window that we never sent")


def test_a_presumption_falls_when_every_attempt_was_a_duplicate() -> None:
    """Each of two runs met the record of another program, while the other's try was open."""
    first = answered(replace(SEALED, begun=2), Duplicate(), number=2)
    assert (first.entry.state, first.alarm) == (State.PRESUMED, None)
    second = answered(first.entry, Duplicate(), number=1)
    assert (second.entry.state, second.entry.duplicates) == (State.UNRESOLVED, 2)
    assert second.alarm is not None and second.alarm.kind is AlarmKind.UNRESOLVED
    # A third attempt that nobody heard of may be the accepted one.
    third = answered(replace(SEALED, begun=3, duplicates=1), Duplicate(), number=2)
    assert third.entry.state is State.PRESUMED


@pytest.mark.parametrize(
    ("outcome", "members", "said"),
    [
        (NotSubscribed(), AfterRelease.FAILED, "CustomerNotSubscribed"),
        (Refused("X"), AfterRelease.FAILED, "X"),
        (Deferred("slow down"), AfterRelease.PENDING, "slow down"),
    ],
)
def test_a_refusal_after_the_deadline_ends_the_doubt(
    outcome: Outcome, members: AfterRelease, said: str
) -> None:
    """Its answer was awaited when the deadline passed; now AWS certainly has none of it."""
    before = replace(SEALED, state=State.UNRESOLVED, begun=2, refused=1)
    change = answered(before, outcome, number=2)
    assert (change.entry.state, change.entry.refused) == (State.RELEASED, 2)
    assert change.frees is members
    assert change.alarm is not None and change.alarm.kind is AlarmKind.RELEASED
    assert change.entry.reason is not None
    assert change.entry.reason.startswith("the deadline passed unbilled, AWS refused every attempt")
    assert said in change.entry.reason


# Deadlines


def test_nothing_expires_before_its_deadline_or_twice() -> None:
    assert ledger.expire(SEALED, SEALED.deadline - timedelta(microseconds=1)) is None
    for state in State:
        if state.is_settled:
            assert ledger.expire(replace(SEALED, state=state), SEALED.deadline) is None


@pytest.mark.parametrize(
    ("state", "begun", "settled", "members"),
    [
        (State.SEALED, 0, State.RELEASED, AfterRelease.PENDING),
        (State.SEALED, 3, State.RELEASED, AfterRelease.PENDING),
        (State.PARKED, 3, State.RELEASED, AfterRelease.FAILED),
    ],
)
def test_what_aws_certainly_never_had_is_given_back_at_its_deadline(
    state: State, begun: int, settled: State, members: AfterRelease
) -> None:
    before = replace(SEALED, state=state, begun=begun, refused=begun)
    change = ledger.expire(before, before.deadline)
    assert change is not None
    assert (change.entry.state, change.frees) == (settled, members)
    assert change.alarm is not None
    assert (change.alarm.kind, change.alarm.quantity) == (AlarmKind.RELEASED, quantity(5))
    assert change.entry.reason is not None
    assert change.entry.reason.startswith("the deadline 2026-11-21 09:10:00Z passed unbilled. ")


@pytest.mark.parametrize("state", UNSETTLED)
def test_what_may_be_billed_is_unresolved_at_its_deadline(state: State) -> None:
    before = replace(SEALED, state=state, begun=3, refused=1)
    change = ledger.expire(before, before.deadline)
    assert change is not None
    assert (change.entry.state, change.frees) == (State.UNRESOLVED, None)
    assert change.entry.reason == (
        "the deadline passed and 2 of 3 attempts had no answer: AWS may have billed it. Look for "
        "the window in CloudTrail (BatchMeterUsage)"
    )
    assert change.alarm is not None
    assert (change.alarm.kind, change.alarm.quantity) == (AlarmKind.UNRESOLVED, quantity(5))


# What people do


@pytest.mark.parametrize("state", State)
@pytest.mark.parametrize(("begun", "refused"), [(0, 0), (2, 2), (2, 1)])
def test_release_is_for_unsettled_entries_that_aws_certainly_does_not_have(
    state: State, begun: int, refused: int
) -> None:
    if state is State.RELEASED and begun != refused:
        return  # cannot be built, see below
    change = ledger.release(replace(SEALED, state=state, begun=begun, refused=refused), "a repair")
    if state in UNSETTLED and begun == refused:
        assert change is not None
        assert (change.entry.state, change.entry.reason, change.frees) == (
            State.RELEASED,
            "a repair",
            AfterRelease.PENDING,
        )
    else:
        assert change is None


@pytest.mark.parametrize("state", State)
def test_only_a_parked_entry_is_hastened(state: State) -> None:
    change = ledger.hasten(replace(SEALED, state=state), NOW)
    assert (change is not None) == (state is State.PARKED)
    if change is not None:
        assert change.entry == replace(SEALED, state=state, retry_at=NOW)


@pytest.mark.parametrize(
    ("state", "begun", "refused", "may"),
    [
        (State.PARKED, 1, 1, True),
        (State.PARKED, 2, 1, False),  # it may become billed
        (State.UNRESOLVED, 2, 1, True),
        (State.SEALED, 0, 0, False),
        (State.BILLED, 1, 0, False),
        (State.PRESUMED, 2, 0, False),
        (State.RELEASED, 1, 1, False),
        (State.WRITTEN_OFF, 1, 1, False),
    ],
)
def test_only_what_is_unbilled_is_written_off_by_name(
    state: State, begun: int, refused: int, may: bool
) -> None:
    before = replace(SEALED, state=state, begun=begun, refused=refused)
    change = ledger.write_off(before, "ann", "goodwill", NOW)
    assert (change is not None) == may
    if change is not None:
        assert (change.entry.state, change.entry.reason, change.frees) == (
            State.WRITTEN_OFF,
            "written off by ann: goodwill",
            None,
        )
        assert change.alarm is not None
        assert (change.alarm.kind, change.alarm.quantity, change.alarm.text) == (
            AlarmKind.WRITTEN_OFF,
            quantity(5),
            "written off by ann: goodwill",
        )


def test_a_finding_settles_what_is_unresolved() -> None:
    before = replace(SEALED, state=State.UNRESOLVED, begun=3, refused=1)
    billed = ledger.resolve(before, True, "ann", "CloudTrail event 7")
    assert billed is not None
    assert (billed.entry.state, billed.entry.reason, billed.frees) == (
        State.BILLED,
        "resolved by ann: CloudTrail event 7",
        None,
    )
    free = ledger.resolve(before, False, "ann", "not in CloudTrail")
    assert free is not None
    assert (free.entry.state, free.entry.refused, free.frees) == (
        State.RELEASED,
        3,
        AfterRelease.PENDING,
    )
    for state in State:
        if state is not State.UNRESOLVED:
            assert ledger.resolve(replace(SEALED, state=state), True, "ann", "x") is None


# Any sequence of steps

OUTCOMES = st.sampled_from(
    [
        Accepted("id"),
        Duplicate(),
        NotSubscribed(),
        Refused("InvalidTagException"),
        Deferred(),
        Deferred("half", is_due_at_once=True),
        NoAnswer(),
    ]
)
STEPS = st.one_of(
    st.tuples(st.just("begin")),
    st.tuples(st.just("answer"), st.integers(0, 5), OUTCOMES),
    st.tuples(st.just("wait"), st.sampled_from([1, 3_600, 40_000])),
    st.tuples(st.sampled_from(["expire", "release", "hasten", "write off"])),
    st.tuples(st.just("resolve"), st.booleans()),
)


@given(st.lists(STEPS, max_size=14))
def test_no_sequence_of_steps_breaks_an_entry(steps: list[tuple[object, ...]]) -> None:
    """Answers come late, out of order or never; people step in; each attempt is answered once."""
    now, stored = NOW, SEALED
    outstanding: list[int] = []
    path = [stored]
    for step in steps:
        change: Change | None = None
        match step:
            case ("begin",):
                change = ledger.begin(stored, now, POLICY)
                if change is not None:
                    outstanding.append(change.entry.begun)
            case ("answer", int(choice), outcome) if outstanding:
                number = outstanding.pop(choice % len(outstanding))
                change = ledger.answer(stored, number, outcome, now, POLICY)  # type: ignore[arg-type]
                assert change is not None and change.attempt is not None
                if isinstance(outcome, Accepted) and stored.state is not State.RELEASED:
                    assert change.entry.state is State.BILLED
                if change.entry.state is State.PRESUMED != stored.state:
                    assert isinstance(outcome, Duplicate)
                    assert change.entry.possibly_accepted > 0
                    assert change.entry.begun - change.entry.refused > 1
            case ("wait", int(seconds)):
                now += timedelta(seconds=seconds)
            case ("expire",):
                change = ledger.expire(stored, now)
            case ("release",):
                change = ledger.release(stored, "a repair")
            case ("hasten",):
                change = ledger.hasten(stored, now)
            case ("write off",):
                change = ledger.write_off(stored, "ann", "goodwill", now)
            case ("resolve", bool(billed)):
                change = ledger.resolve(stored, billed, "ann", "CloudTrail")
            case _:
                pass
        if change is None:
            continue
        if change.frees is not None:
            assert change.entry.state is State.RELEASED != stored.state
        if change.entry.state is State.RELEASED != stored.state:
            assert change.frees is not None
            assert change.entry.begun == change.entry.refused
            by_finding = step[0] == "resolve"
            assert by_finding or stored.begun == stored.refused
        stored = change.entry
        path.append(stored)
    for before, after in pairwise(path):
        assert before.state is after.state or after.state in TRANSITIONS[before.state]
        assert 0 <= after.refused <= after.begun
        assert after.state is not State.PRESUMED or after.possibly_accepted > 0
        assert after.begun >= before.begun
        assert not (before.state.is_settled and not after.state.is_settled)
        sent = replace(
            after,
            state=SEALED.state,
            begun=0,
            refused=0,
            duplicates=0,
            retry_at=SEALED.retry_at,
            metering_record_id=None,
            reason=None,
        )
        assert sent == SEALED, "what is sent never changes"


def test_a_step_that_no_rule_allows_is_our_bug() -> None:
    with pytest.raises(AssertionError, match="cannot go from billed to released"):
        ledger._move(replace(SEALED, state=State.BILLED), State.RELEASED, reason=None)


# Waiting


@given(st.integers(0, 10_000), st.integers(0, 2**20))
def test_the_wait_doubles_is_spread_and_bounded(begun: int, number: int) -> None:
    before = entry(hour("09:00").plus(number % 100), begun=begun)
    wait = ledger.backoff(before, POLICY)
    doubled = POLICY.retry_first * (1 << min(max(begun - 1, 0), 20))
    longest = min(doubled, POLICY.retry_longest)
    assert longest / 2 <= wait <= longest
    assert wait == ledger.backoff(before, POLICY)


# Illegal entries do not construct


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {
                "quantity": QUANTITY_MAX + Quantity(1),
                "lines": (Line(hour("09:00"), QUANTITY_MAX + Quantity(1), 1),),
            },
            "10000000000 is above the cap",
        ),
        ({"quantity": quantity(6)}, "lines do not sum up"),
        (
            {"allocations": (Allocation(tags(team="red"), quantity(4)),)},
            "allocations of 4 for 5",
        ),
        ({"stamp": utc("10:00")}, "stamp 2026-11-20 10:00:00.*outside 2026-11-20T09:00Z"),
        ({"stamp": utc("08:59:59")}, "outside 2026-11-20T09:00Z"),
        ({"stamp": utc("09:10:00.5")}, "a stamp is a whole second"),
        ({"refused": 1}, "1 refused and 0 duplicates of 0 begun"),
        ({"begun": 2, "refused": 1, "duplicates": 2}, "1 refused and 2 duplicates of 2 begun"),
        (
            {"state": State.RELEASED, "begun": 2, "refused": 1},
            "released although an answer is outstanding",
        ),
    ],
)
def test_an_entry_that_breaks_a_rule_does_not_exist(
    changes: dict[str, object], message: str
) -> None:
    with pytest.raises(AssertionError, match=message):
        replace(SEALED, **changes)  # type: ignore[arg-type]


def test_an_entry_tells_its_key_its_records_and_what_was_carried() -> None:
    lines = (Line(hour("08:00"), quantity(2), 3), Line(hour("09:00"), quantity(3), 1))
    mixed = replace(SEALED, lines=lines)
    assert mixed.key == EntryKey(window("09:00"), 0)
    assert (mixed.record_count, mixed.carried) == (4, quantity(2))


def test_settled_and_live_states() -> None:
    assert [state for state in State if not state.is_settled] == [State.SEALED, State.PARKED]
    assert [state for state in State if not state.is_live] == [State.RELEASED]
    assert set(TRANSITIONS) == set(State)
