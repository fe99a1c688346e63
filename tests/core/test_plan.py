"""The planner by example (money rules 2, 3, 4 and 12)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta

import pytest

from marketplace_metering.core.hours import UsageHour, deadline_of
from marketplace_metering.core.ledger import AlarmKind, Allocation, Line
from marketplace_metering.core.limits import ALLOCATIONS_MAX
from marketplace_metering.core.plan import Book, Group, Plan, Waits, plan
from marketplace_metering.core.policy import LateUsage, Policy, Scope
from marketplace_metering.core.quantity import QUANTITY_MAX, Quantity
from tests.support.build import METER, book, group, hour, licensed, quantity, tags, window
from tests.support.clock import utc

POLICY = Policy()


def planned(
    groups: Sequence[Group],
    now: str | datetime,
    at_book: Book | None = None,
    policy: Policy = POLICY,
    scope: Scope = Scope.CLOSED_HOURS,
    looked_through: UsageHour | None = None,
) -> Plan:
    at = utc(now) if isinstance(now, str) else now
    return plan(at_book or book(), groups, at, policy, scope, looked_through)


def placed(made: Plan) -> dict[str, str]:
    """Window and quantity of each sealing, for short."""
    return {
        f"{sealing.entry.window.hour}"[5:16] + (" licensed" if meter.is_licensed else ""): str(
            sealing.entry.quantity
        )
        for sealing in made.sealings
        for meter in [sealing.entry.window.meter]
    }


def test_usage_of_a_closed_hour_is_sealed_in_its_own_window() -> None:
    made = planned([group("09:00", 5, earliest=utc("09:10:05.5"))], "10:05")
    [sealing] = made.sealings
    entry = sealing.entry
    assert (entry.window, entry.quantity, entry.serial) == (window("09:00"), quantity(5), 0)
    assert (entry.stamp, entry.deadline) == (utc("09:10:06"), utc("2026-11-21 09:10:06"))
    assert entry.lines == (Line(hour("09:00"), quantity(5), 1),)
    assert (entry.allocations, entry.begun, entry.refused) == ((), 0, 0)
    assert entry.retry_at == utc("09:10:08")
    assert made.changes_ledger


@pytest.mark.parametrize(("now", "sealed"), [("10:04:59", 0), ("10:05", 1), ("09:59", 0)])
def test_an_hour_is_sealed_only_after_it_and_its_grace(now: str, sealed: int) -> None:
    made = planned([group("09:00")], now)
    assert len(made.sealings) == sealed
    assert [why for _group, why in made.waiting] == [Waits.OPEN_HOUR] * (1 - sealed)
    assert made.changes_ledger == bool(sealed)


def test_everything_means_the_current_hour_too_but_not_a_future_one() -> None:
    made = planned([group("09:00"), group("10:00", 2)], "09:30", scope=Scope.EVERYTHING)
    assert placed(made) == {"11-20T09:00": "1"}
    assert [why for _group, why in made.waiting] == [Waits.OPEN_HOUR]


def test_late_usage_is_carried_to_the_newest_closed_hour() -> None:
    made = planned([group("09:00", 2)], "13:10", book([window("09:00")]))
    assert placed(made) == {"11-20T12:00": "2"}
    [sealing] = made.sealings
    assert sealing.entry.stamp == utc("12:00")
    assert sealing.entry.carried == quantity(2)


def test_carried_usage_joins_the_usage_of_the_hour_and_does_not_move_its_stamp() -> None:
    made = planned([group("09:00", 2), group("12:00", 5)], "13:10", book([window("09:00")]))
    [sealing] = made.sealings
    assert sealing.entry.lines == (
        Line(hour("09:00"), quantity(2), 1),
        Line(hour("12:00"), quantity(5), 1),
    )
    assert sealing.entry.stamp == utc("12:10")


def test_late_usage_without_a_closed_later_hour_waits() -> None:
    made = planned([group("09:00", 2)], "10:30", book([window("09:00")]))
    assert made.waiting[0][1] is Waits.NO_WINDOW


def test_expired_usage_is_carried() -> None:
    made = planned([group("2026-11-18 09:00", 2)], "13:10")
    assert placed(made) == {"11-20T12:00": "2"}


def test_usage_too_close_to_its_deadline_is_carried() -> None:
    """Its own window could be sealed, but nothing is sent within the margin."""
    deadline = deadline_of(utc("09:10"))
    just_in_time = deadline - POLICY.safety_margin - timedelta(seconds=1)
    assert placed(planned([group("09:00")], just_in_time)) == {"11-20T09:00": "1"}
    too_late = deadline - POLICY.safety_margin
    assert placed(planned([group("09:00")], too_late)) == {"11-21T08:00": "1"}


def test_late_usage_can_be_held_for_a_person() -> None:
    policy = Policy(late_by_product={METER.product: LateUsage.HOLD})
    late = group("09:00", 2)
    made = planned([late], "13:10", book([window("09:00")]), policy, looked_through=hour("09:00"))
    assert [(each.quantity, why) for each, why in made.waiting] == [(quantity(2), Waits.HELD)]
    assert not made.changes_ledger


def test_late_usage_can_be_rejected_with_an_alarm() -> None:
    policy = Policy(late=LateUsage.REJECT)
    late = group("09:00", 2)
    made = planned([late], "13:10", book([window("09:00")]), policy, looked_through=hour("09:00"))
    [(rejected, why)] = made.rejected
    assert rejected.quantity == quantity(2)
    assert why == (
        "usage of 2026-11-20T09:00Z was recorded after its hour had been sealed, and late usage "
        "of product prod-abc123 is rejected by your setting. To bill it later, set late to carry "
        "and retry it"
    )
    [alarm] = made.alarms
    assert (alarm.kind, alarm.window, alarm.quantity, alarm.text) == (
        AlarmKind.LATE_REJECTED,
        window("09:00"),
        quantity(2),
        why,
    )
    assert made.changes_ledger


def test_usage_in_time_is_neither_held_nor_rejected() -> None:
    for late in LateUsage:
        policy, looked = Policy(late=late), hour("12:00")
        made = planned([group("09:00", 2)], "13:10", policy=policy, looked_through=looked)
        assert placed(made) == {"11-20T09:00": "2"}


def test_usage_of_an_hour_that_nobody_looked_through_is_carried_whatever_the_setting() -> None:
    """Its window was sealed within the hour, or expired while nothing ran."""
    for at_book, used_in in ((book([window("09:00")]), "09:00"), (book(), "2026-11-18 09:00")):
        for looked_through in (None, hour(used_in).plus(-1)):
            for late in LateUsage:
                group_ = group(used_in, 2)
                policy = Policy(late=late)
                made = planned([group_], "13:10", at_book, policy, looked_through=looked_through)
                assert placed(made) == {"11-20T12:00": "2"}


def test_usage_that_an_entry_gave_back_was_on_time() -> None:
    policy = Policy(late=LateUsage.REJECT)
    back, late = replace(group("09:00", 2), was_given_back=True), group("09:00", 3)
    at_book = book([window("09:00")])
    made = planned([back, late], "13:10", at_book, policy, looked_through=hour("12:00"))
    assert placed(made) == {"11-20T12:00": "2"}
    assert [each for each, _why in made.rejected] == [late]


def test_late_usage_stays_in_its_month_while_a_window_of_it_is_free() -> None:
    made = planned(
        [group("2026-11-30 20:00", 2)], "2026-12-01 03:10", book([window("2026-11-30 20:00")])
    )
    assert placed(made) == {"11-30T23:00": "2"}
    assert made.alarms == ()


def test_late_usage_crosses_the_month_only_when_its_own_is_full_and_says_so() -> None:
    live = [window(f"2026-11-30 {number}:00") for number in (22, 23)]
    made = planned([group("2026-11-30 22:00", 2)], "2026-12-01 03:10", book(live))
    assert placed(made) == {"12-01T02:00": "2"}
    [alarm] = made.alarms
    assert (alarm.kind, alarm.window, alarm.quantity, alarm.text) == (
        AlarmKind.CARRIED_ACROSS_MONTH,
        window("2026-12-01 02:00"),
        quantity(2),
        "usage of 2026-11-30T22:00Z found no free window in 2026-11 and is billed in 2026-12, in "
        "the window 2026-12-01T02:00Z",
    )


def test_a_closed_month_takes_nothing_more() -> None:
    made = planned([group("2026-11-30 22:00", 2)], "2026-12-01 06:10")
    assert placed(made) == {"12-01T05:00": "2"}


def test_usage_above_the_cap_is_carried() -> None:
    made = planned(
        [group("09:00", str(QUANTITY_MAX)), group("09:00", 3, earliest=utc("09:30"))], "13:10"
    )
    assert placed(made) == {"11-20T09:00": "9999999999.999999", "11-20T12:00": "3"}


def test_an_hour_is_never_metered_under_both_identities() -> None:
    """The older usage takes the hour, the other is carried to a later one."""
    first, second = group("09:00", 2), group("09:00", 5, meter=licensed(), earliest=utc("09:40"))
    made = planned([second, first], "13:10")
    assert placed(made) == {"11-20T09:00": "2", "11-20T12:00 licensed": "5"}
    made = planned([second], "13:10", book([window("09:00")]))
    assert placed(made) == {"11-20T12:00 licensed": "5"}
    made = planned([first], "13:10", book([window("09:00", licensed())]))
    assert placed(made) == {"11-20T12:00": "2"}


def test_usage_that_only_the_other_identity_displaced_is_not_late() -> None:
    policy = Policy(late=LateUsage.REJECT)
    displaced, at_book = group("09:00", 5, meter=licensed()), book([window("09:00")])
    made = planned([displaced], "13:10", at_book, policy, looked_through=hour("12:00"))
    assert placed(made) == {"11-20T12:00 licensed": "5"}


def test_two_licences_of_a_buyer_share_an_hour() -> None:
    other = licensed(arn="arn:aws:license-manager::444455556666:license:l-other")
    made = planned([group("09:00", 2, meter=licensed()), group("09:00", 5, meter=other)], "13:10")
    assert sorted(str(sealing.entry.quantity) for sealing in made.sealings) == ["2", "5"]


def test_carried_usage_leaves_an_hour_to_its_own_usage_where_another_is_free() -> None:
    """Otherwise November usage by licence would be pushed into December for nothing."""
    late, own = group("2026-11-30 21:00", 2), group("2026-11-30 23:00", 5, meter=licensed())
    made = planned([late, own], "2026-12-01 01:10", book([window("2026-11-30 21:00")]))
    assert placed(made) == {"11-30T22:00": "2", "11-30T23:00 licensed": "5"}
    assert made.alarms == ()


def test_carried_usage_takes_an_hour_from_its_own_usage_where_no_other_is_free() -> None:
    """Else usage by product code would wait for ever beside constant usage by licence."""
    late, own = group("11:00", 2), group("12:00", 5, meter=licensed())
    made = planned([late, own], "13:10", book([window("11:00")]))
    assert placed(made) == {"11-20T12:00": "2"}
    assert [(each.quantity, why) for each, why in made.waiting] == [(quantity(5), Waits.NO_WINDOW)]


def test_carried_tags_leave_an_hour_to_the_tags_of_its_own() -> None:
    late = group("10:00", 2, tagged=tags(a="1", b="1", c="1", d="1", e="1"))
    own = group("12:00", 5, tagged=tags(f="1"))
    made = planned([late, own], "13:10", book([window("10:00")]))
    assert placed(made) == {"11-20T11:00": "2", "11-20T12:00": "5"}


def test_tags_become_allocations_that_sum_exactly() -> None:
    made = planned(
        [
            group("09:00", "0.1", tagged=tags(team="red")),
            group("09:00", "0.2", tagged=tags(team="blue")),
            group("09:00", "0.7"),
        ],
        "10:10",
    )
    [sealing] = made.sealings
    assert sealing.entry.quantity == quantity(1)
    assert sealing.entry.allocations == (
        Allocation((), quantity("0.7")),
        Allocation(tags(team="blue"), quantity("0.2")),
        Allocation(tags(team="red"), quantity("0.1")),
    )


def test_own_and_carried_usage_of_the_same_tags_is_one_allocation() -> None:
    red = tags(team="red")
    made = planned(
        [group("09:00", 2, tagged=red), group("12:00", 5, tagged=red)],
        "13:10",
        book([window("09:00")]),
    )
    [sealing] = made.sealings
    assert sealing.entry.allocations == (Allocation(red, quantity(7)),)


def test_a_window_has_at_most_five_tag_keys() -> None:
    """The most used sets keep their tags; the others are billed at once, without theirs."""
    groups = [group("09:00", 1 + n, tagged=tags(**{f"key{n}": "x"})) for n in range(7)]
    made = planned([*groups, group("09:00", 5)], "13:10")
    [sealing] = made.sealings
    keys = {key for tagged, _q in sealing.entry.allocations for key, _v in tagged}
    assert keys == {f"key{number}" for number in range(2, 7)}
    assert sealing.entry.quantity == quantity(28 + 5)
    assert sealing.entry.allocations[0] == Allocation((), quantity(5 + 1 + 2))
    [alarm] = made.alarms
    assert (alarm.kind, alarm.quantity) == (AlarmKind.WITHOUT_TAGS, quantity(3))


def test_a_window_has_at_most_2500_allocations() -> None:
    groups = [
        group("09:00", 1, tagged=tags(team=f"{number:04d}"))
        for number in range(ALLOCATIONS_MAX + 7)
    ]
    made = planned(groups, "13:10")
    [sealing] = made.sealings
    assert len(sealing.entry.allocations) == ALLOCATIONS_MAX
    assert sealing.entry.allocations[0] == Allocation((), quantity(8))
    assert sealing.entry.quantity.units == ALLOCATIONS_MAX + 7
    [alarm] = made.alarms
    assert alarm.window == window("09:00")
    assert alarm.text == (
        "the window has 2507 sets of tags, and AWS takes 2500 with 5 different keys and 900 KB: 8 "
        "sets with 8 of 2507 are billed without tags, the smallest first. The sum is billed in "
        "full. Use fewer tag values and keys in an hour, such as a team in the place of a request"
    )


def test_as_many_tag_sets_as_aws_takes_keep_their_tags() -> None:
    groups = [
        group("09:00", 1, tagged=tags(team=f"{number:04d}")) for number in range(ALLOCATIONS_MAX)
    ]
    made = planned(groups, "13:10")
    assert len(made.sealings[0].entry.allocations) == ALLOCATIONS_MAX
    assert all(each.tags for each in made.sealings[0].entry.allocations)
    assert made.alarms == ()
    made = planned([*groups, group("09:00", 1)], "13:10")  # the untagged rest takes a place
    assert made.sealings[0].entry.allocations[0] == Allocation((), quantity(2))
    assert [alarm.quantity for alarm in made.alarms] == [quantity(1)]


def test_carried_tags_go_where_they_are_kept() -> None:
    late = group("10:00", 2, tagged=tags(f="1"))
    five = tags(a="1", b="1", c="1", d="1", e="1")
    groups = [group("10:00", 1, tagged=five), late]
    made = planned(groups, "13:10", book([window("10:00")]))
    assert placed(made) == {"11-20T12:00": "1", "11-20T11:00": "2"}
    # Where no other window is free it is billed without them.
    made = planned(groups, "13:10", book([window("10:00"), window("11:00")]))
    assert placed(made) == {"11-20T12:00": "3"}
    assert [alarm.kind for alarm in made.alarms] == [AlarmKind.WITHOUT_TAGS]


def test_a_window_given_back_is_sealed_as_the_next_of_its_serials() -> None:
    made = planned([group("09:00")], "13:10", book(released=[window("09:00"), window("09:00")]))
    [sealing] = made.sealings
    assert (sealing.entry.window, sealing.entry.serial) == (window("09:00"), 2)


def test_a_shorter_acceptance_window_is_kept_to() -> None:
    policy = Policy(window_length=timedelta(hours=3))
    made = planned([group("09:00", earliest=utc("09:50"))], "12:10", policy=policy)
    assert placed(made) == {"11-20T09:00": "1"}
    made = planned([group("09:00", earliest=utc("09:10"))], "12:10", policy=policy)
    assert placed(made) == {"11-20T11:00": "1"}
    every_other = book([window("10:00"), window("11:00")])
    made = planned([group("09:00", earliest=utc("09:10"))], "12:10", every_other, policy)
    assert made.waiting[0][1] is Waits.NO_WINDOW


def test_an_empty_group_or_one_above_the_cap_is_a_store_bug() -> None:
    with pytest.raises(AssertionError, match="a group without usage records"):
        group("09:00", 1, count=0)
    with pytest.raises(AssertionError, match="a store splits groups at the cap"):
        Group(METER, hour("09:00"), (), QUANTITY_MAX + Quantity(1), 1, 0, None)
