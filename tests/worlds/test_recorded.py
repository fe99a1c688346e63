"""What the auditor thinks of usage that an unconfirmed input may have recorded."""

from __future__ import annotations

from collections import Counter
from contextlib import nullcontext
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest

from marketplace_metering.core.policy import Policy
from marketplace_metering.proof.worlds.expected_items import Written
from marketplace_metering.proof.worlds.expected_usage import Recorded, _is_explained
from marketplace_metering.proof.worlds.fault_mix import draw
from marketplace_metering.proof.worlds.safety import Auditor, Violation
from marketplace_metering.proof.worlds.snapshot import MeterName, UsageRow

# Two inputs whose processes died; both hold a use of 689 in the same hour (world 43312).
DIED: Counter[Any] = Counter({"689": 1})
ADDED: Counter[Any] = Counter({"689": 1, "791": 1})


@pytest.mark.parametrize("maybe", [[DIED, ADDED], [ADDED, DIED]])
def test_equal_usage_of_two_inputs_is_told_apart_by_the_whole(maybe: list[Counter[Any]]) -> None:
    explained: list[Counter[Any]] = [
        Counter({"689": 1}),
        Counter({"689": 1, "791": 1}),
        Counter({"689": 2, "791": 1}),
        Counter(),
    ]
    for extra in explained:
        assert _is_explained(extra, maybe, False)
    wrongs: list[Counter[Any]]
    wrongs = [Counter({"791": 1}), Counter({"689": 3, "791": 1}), Counter({"5": 1})]
    for wrong in wrongs:
        assert not _is_explained(wrong, maybe, False)


def test_a_store_that_keeps_parts_explains_parts() -> None:
    part: Counter[Any] = Counter({"791": 1})
    assert _is_explained(part, [ADDED], True)
    assert not _is_explained(part + part, [ADDED], True)


def row(written: Written) -> UsageRow:
    at_ns = written.hour * 3_600_000_000_000
    return UsageRow(written.meter, written.hour, written.tags, written.micros, at_ns, None, None)


def repair_and_die(recorded: Recorded) -> None:
    with pytest.raises(SystemExit), recorded.repairing(PLACE, WRONG, RIGHT):
        raise SystemExit


METER = MeterName("prod-a", "000222223333", "requests", None)
RIGHT = Written(METER, 500_000, (), 5_965_207)
WRONG = RIGHT._replace(meter=METER._replace(dimension="reqeusts"))
PLACE = (METER.account, 1)


def test_a_repair_that_is_seen_before_its_process_says_so_counts_once() -> None:
    """Another process had died at the same repair before it did anything (world 33506)."""
    recorded = Recorded(Counter())
    recorded.corrections[WRONG] = 1
    repair_and_die(recorded)
    with recorded.repairing(PLACE, WRONG, RIGHT) as done:
        assert recorded.fault_in([row(RIGHT)]) is None
        done()
    assert recorded.fault_in([row(RIGHT)]) is None
    assert recorded.fault_in([]) is not None
    assert recorded.fault_in([row(WRONG)]) is not None


def test_two_equal_repairs_count_twice() -> None:
    """The one whose process died was done as well, to an equal usage record."""
    recorded = Recorded(Counter())
    recorded.corrections[WRONG] = 2
    repair_and_die(recorded)
    with recorded.repairing(PLACE, WRONG, RIGHT) as done:
        assert recorded.fault_in([row(RIGHT), row(WRONG)]) is None
        done()
    assert recorded.fault_in([row(RIGHT), row(RIGHT)]) is None
    assert recorded.fault_in([row(RIGHT), row(WRONG)]) is not None


def test_a_put_may_go_over_what_came_while_it_was_under_way() -> None:
    """Two applications put usage of one instant, the second one while the first waits: the
    window of either may be given back (world 18135)."""
    recorded = Recorded(Counter())
    item = {"customerAWSAccountId": METER.account, "create_timestamp": 1_800_000_000_000}
    other = RIGHT._replace(meter=METER._replace(license_arn="arn:1"))
    with recorded.putting(item, RIGHT), recorded.putting(item, other):
        pass
    for each in (RIGHT, other):
        assert (each.meter, each.hour) in recorded.freed_by_person


NEW_YEAR_S = 1_798_761_600  # 2027-01-01 00:00 UTC


@pytest.mark.parametrize(
    ("grace", "after_s", "is_late"),
    [
        ("extends", -60, True),  # the old month is not in its grace yet
        ("extends", 9_264, False),
        ("extends", 6 * 3_600, True),
        ("cuts", 9_264, True),
    ],
)
def test_a_month_in_its_grace_takes_what_is_older_than_a_day(
    grace: str, after_s: int, is_late: bool
) -> None:
    """If AWS reads it so, and the process stood still before it sent (world 24887)."""
    stamp_s = NEW_YEAR_S - 86_400 - 43 * 60
    readings = SimpleNamespace(month_end_grace=grace)
    aws: Any = SimpleNamespace(simulator=SimpleNamespace(readings=readings))
    accepted: Any = SimpleNamespace(
        content=SimpleNamespace(stamp=stamp_s * 1_000_000), at=(NEW_YEAR_S + after_s) * 1_000_000
    )
    auditor = Auditor(aws, replace(draw(0), policy=Policy()))
    with pytest.raises(Violation) if is_late else nullcontext():
        auditor._check_in_time((METER, stamp_s // 3_600), accepted)
