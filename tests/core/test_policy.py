"""Settings: illegal ones do not construct, and say what is allowed."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from marketplace_metering.core import limits
from marketplace_metering.core.outcome import FAULT_BY_CODE, Fault
from marketplace_metering.core.policy import InvalidSettingError, LateUsage, Policy
from marketplace_metering.core.remedies import REMEDIES, explain


def test_the_defaults_are_legal_and_below_the_quota_of_aws() -> None:
    policy = Policy()
    assert policy.requests_per_second < limits.REQUESTS_PER_SECOND_QUOTA
    assert policy.window_length == limits.WINDOW_LENGTH
    assert policy.late_usage_of("any") is LateUsage.CARRY


def test_each_product_may_treat_late_usage_its_own_way() -> None:
    policy = Policy(late=LateUsage.HOLD, late_by_product={"prod-a": LateUsage.REJECT})
    assert policy.late_usage_of("prod-a") is LateUsage.REJECT
    assert policy.late_usage_of("prod-b") is LateUsage.HOLD


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        (
            {"grace": timedelta(hours=1, seconds=1)},
            "setting grace = 1:00:01 refused: must be from 0:00:00 to 1:00:00",
        ),
        (
            {"grace": timedelta(seconds=-1)},
            "setting grace = -1 day, 23:59:59 refused: must be from 0:00:00 to 1:00:00",
        ),
        (
            {"window_length": timedelta(hours=25)},
            "setting window_length = 1 day, 1:00:00 refused: must be from 1:00:00 to 1 day, "
            "0:00:00",
        ),
        (
            {"safety_margin": timedelta(minutes=31)},
            "setting safety_margin = 0:31:00 refused: must be from 0:00:00 to 0:30:00",
        ),
        (
            {"clock_margin": timedelta(minutes=2)},
            "setting clock_margin = 0:02:00 refused: must be from 0:00:00 to 0:01:00",
        ),
        (
            {"parked_retry": timedelta(0)},
            "setting parked_retry = 0:00:00 refused: must be from 0:00:01 to 6:00:00",
        ),
        (
            {"retry_first": timedelta(days=1)},
            "setting retry_first = 1 day, 0:00:00 refused: must be from 0:00:00 to 0:01:00",
        ),
        (
            {"retry_longest": timedelta(hours=2)},
            "setting retry_longest = 2:00:00 refused: must be from 0:00:01 to 1:00:00",
        ),
        (
            {"patience": timedelta(minutes=16)},
            "setting patience = 0:16:00 refused: must be from 0:00:00 to 0:15:00",
        ),
        (
            {"failures_in_a_row_max": 0},
            "setting failures_in_a_row_max = 0 refused: must be at least 1",
        ),
        (
            {"requests_per_second": float("nan")},
            "setting requests_per_second = nan refused: must be above 0",
        ),
        (
            {"requests_per_second": 0},
            "setting requests_per_second = 0 refused: must be above 0",
        ),
    ],
)
def test_a_setting_out_of_its_range_is_refused(setting: dict[str, Any], message: str) -> None:
    with pytest.raises(InvalidSettingError) as refused:
        Policy(**setting)
    assert str(refused.value) == message


def test_every_refusal_of_usage_has_a_meaning_and_a_remedy() -> None:
    """All but those that only a bug of ours could cause."""
    judged = {code for code, fault in FAULT_BY_CODE.items() if fault is Fault.USAGE}
    assert judged - set(REMEDIES) == {"SerializationException"}


def test_an_explanation_is_what_aws_said_what_it_means_and_what_to_do() -> None:
    assert explain("CustomerNotSubscribed", None) == (
        "AWS answered CustomerNotSubscribed: the buyer has no active agreement for the product, "
        "or the account is suspended. What to do: check the agreement in the Management Portal "
        "and the account id in the usage."
    )
    assert explain("InvalidTagException", "Tag x is bad").startswith(
        "AWS answered InvalidTagException (Tag x is bad): AWS refuses one of the tags. What to do:"
    )
    assert explain("SomethingNew", "words") == (
        "AWS answered SomethingNew (words). Correct what it names, then retry the usage record."
    )
