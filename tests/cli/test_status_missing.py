"""`metering status` names usage records that are not there any more as they were sealed."""

from __future__ import annotations

import json

from marketplace_metering.cli import status
from marketplace_metering.cli.render import out
from marketplace_metering.core.balance import Balance, Missing, Sum
from marketplace_metering.core.hours import NS_PER_MS
from marketplace_metering.core.ledger import State
from tests.support.build import BUYER, METER, hour, quantity

AT_MS = 1_763_629_800_000


def _balance(*there: str | None) -> Balance:
    missing = tuple(
        Missing(METER, (AT_MS + n) * NS_PER_MS, quantity(5), hour("09:00"), State.BILLED, each)
        for n, each in enumerate(there)
    )
    billed = Sum(quantity(5 * len(there)), len(there))
    return Balance(product="prod-a", recorded=billed, billed=billed, missing=missing)


def _said(balance: Balance) -> list[str]:
    with out.capture() as shown:
        status._say_listed(balance)
    return shown.get().splitlines()


def test_each_is_named_with_what_stands_there() -> None:
    first, overwritten, deleted = _said(_balance("storage-gb 7 of product prod-a", None))
    assert first.startswith("prod-a: 2 usage records with quantity 10 were sealed, and are not in")
    assert overwritten == (
        f"  {BUYER} {AT_MS}: {METER.dimension} 5, billed in the window {hour('09:00')}; "
        "now storage-gb 7 of product prod-a"
    )
    assert deleted.endswith("; nothing stands there now")


def test_of_very_many_the_first_are_named() -> None:
    said = _said(_balance(*[None] * 13))
    assert len(said) == 12
    assert said[-1] == "  and 3 more: metering status --json"


def test_a_balance_without_any_says_nothing_of_it_and_needs_nobody() -> None:
    assert _said(_balance()) == []
    assert not status._needs_attention(_balance())
    assert status._needs_attention(_balance(None))


def test_programs_read_them() -> None:
    [missing] = json.loads(json.dumps(status._balance_json(_balance(None))))["missing"]
    assert missing == {
        "account": BUYER,
        "create_timestamp": str(AT_MS),
        "dimension": METER.dimension,
        "license_arn": None,
        "quantity": "5",
        "window": str(hour("09:00")),
        "state": "billed",
        "there": None,
    }
