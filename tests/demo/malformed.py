"""Lines that no metering may bill: what applications write by mistake."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator

from marketplace_metering.proof.demo.listings import BUYERS, DAY_BEGINS, SEARCH
from marketplace_metering.proof.worlds.listings import Buyer
from tests.demo.moments import iso, ms

SEARCH_BUYER = next(buyer for buyer in BUYERS if buyer.product == SEARCH.code)
NOTEBOOK_BUYER = next(buyer for buyer in BUYERS if buyer.license_arn)
FIRST_MS = ms(DAY_BEGINS)
SPACING_MS = 35 * 60_000


def _right(buyer: Buyer, dimension: str, number: int) -> dict[str, object]:
    record: dict[str, object] = {
        "customerAWSAccountId": buyer.account,
        "productCode": buyer.product,
        "create_timestamp": FIRST_MS + SPACING_MS * number + 1_200_000,
        "dimension": dimension,
        "quantity": 100 + number,
        "metering_pending": "true",
    }
    if buyer.license_arn is not None:
        record["licenseArn"] = buyer.license_arn
    return record


def malformed() -> Iterator[tuple[int, str]]:
    """Each kind once, 35 minutes apart, with the time of its arrival."""
    for number, spoil in enumerate(SPOILT):
        buyer, dimension = SEARCH_BUYER, "api_calls"
        if spoil is _misspelt_license:
            buyer, dimension = NOTEBOOK_BUYER, "compute_hours"
        record = _right(buyer, dimension, number)
        arrival_ms = FIRST_MS + SPACING_MS * number + 1_234_567
        record["recorded_at"] = iso(arrival_ms)
        yield arrival_ms, spoil(record)


def _in_seconds(record: dict[str, object]) -> str:
    return json.dumps({**record, "create_timestamp": FIRST_MS // 1_000 + 3_000})


def _in_microseconds(record: dict[str, object]) -> str:
    return json.dumps({**record, "create_timestamp": FIRST_MS * 1_000})


def _in_the_future(record: dict[str, object]) -> str:
    return json.dumps({**record, "create_timestamp": FIRST_MS + 5 * 86_400_000})


def _as_iso(record: dict[str, object]) -> str:
    return json.dumps({**record, "create_timestamp": "2026-11-30T03:00:00Z"})


def _negative(record: dict[str, object]) -> str:
    return json.dumps({**record, "quantity": -3})


def _seven_decimals(record: dict[str, object]) -> str:
    return json.dumps({**record, "quantity": 0}).replace('"quantity": 0', '"quantity": 0.1234567')


def _too_large(record: dict[str, object]) -> str:
    return json.dumps({**record, "quantity": 10_000_000_000})


def _quoted_quantity(record: dict[str, object]) -> str:
    return json.dumps({**record, "quantity": "12"})


def _not_a_number(record: dict[str, object]) -> str:
    return json.dumps({**record, "quantity": 0}).replace('"quantity": 0', '"quantity": NaN')


def _misspelt_dimension(record: dict[str, object]) -> str:
    return json.dumps(record).replace('"dimension"', '"dimenson"')


def _misspelt_license(record: dict[str, object]) -> str:
    return json.dumps(record).replace('"licenseArn"', '"licenceArn"')


def _no_product(record: dict[str, object]) -> str:
    return json.dumps({name: record[name] for name in record if name != "productCode"})


def _eleven_digits(record: dict[str, object]) -> str:
    account = str(record["customerAWSAccountId"]).removeprefix("0")
    return json.dumps({**record, "customerAWSAccountId": account})


def _numeric_account(record: dict[str, object]) -> str:
    return json.dumps({**record, "customerAWSAccountId": 118420967733})


def _pending_as_boolean(record: dict[str, object]) -> str:
    return json.dumps({**record, "metering_pending": True})


def _six_tags(record: dict[str, object]) -> str:
    return json.dumps({**record, "tags": {f"label{n}": "x" for n in range(6)}})


def _tag_with_umlaut(record: dict[str, object]) -> str:
    return json.dumps({**record, "tags": {"team": "Münster"}}, ensure_ascii=False)


def _quantity_twice(record: dict[str, object]) -> str:
    return json.dumps(record)[:-1] + ', "quantity": 7}'


def _cut_short(record: dict[str, object]) -> str:
    return json.dumps(record)[:90]


def _same_event_other_amount(record: dict[str, object]) -> str:
    # The event came a line before, with 250 transactions.
    return json.dumps({**record, "event_id": "reindex-118", "quantity": 275})


def _the_event_itself(record: dict[str, object]) -> str:
    # The one good line here: without it the next would be no clash.
    return json.dumps({**record, "event_id": "reindex-118", "quantity": 250})


SPOILT: tuple[Callable[[dict[str, object]], str], ...] = (
    _in_seconds,
    _negative,
    _seven_decimals,
    _misspelt_dimension,
    _eleven_digits,
    _quoted_quantity,
    _cut_short,
    _in_microseconds,
    _no_product,
    _pending_as_boolean,
    _six_tags,
    _in_the_future,
    _misspelt_license,
    _quantity_twice,
    _too_large,
    _not_a_number,
    _numeric_account,
    _tag_with_umlaut,
    _as_iso,
    _the_event_itself,
    _same_event_other_amount,
)
