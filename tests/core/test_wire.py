"""What goes over the wire, and what the answer means for each record (money rules 1, 7, 9, 12)."""

from __future__ import annotations

import json
from datetime import datetime, timedelta, timezone
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from marketplace_metering.core.hours import stamp_s
from marketplace_metering.core.identity import Meter
from marketplace_metering.core.ledger import Allocation, Entry
from marketplace_metering.core.outcome import (
    Accepted,
    Deferred,
    Duplicate,
    NoAnswer,
    NotSubscribed,
    Outcome,
)
from marketplace_metering.core.quantity import QUANTITY_MAX
from marketplace_metering.core.wire import body_bytes, read_response, request, usage_record
from tests.support.build import BUYER, DIMENSION, LICENSE, PRODUCT, entry, licensed, quantity, tags
from tests.support.clock import utc

STAMP = stamp_s(utc("09:10"))


def test_a_whole_sum_goes_as_an_integer() -> None:
    assert usage_record(entry("09:00", 5)) == {
        "Timestamp": STAMP,
        "CustomerAWSAccountId": BUYER,
        "Dimension": DIMENSION,
        "Quantity": 5,
    }


@pytest.mark.parametrize(
    ("amount", "member"),
    [
        ("0", {"Quantity": 0}),
        ("2147483647", {"Quantity": 2_147_483_647}),
        ("2147483648", {"QuantityAsDecimal": "2147483648"}),
        ("0.1", {"QuantityAsDecimal": "0.1"}),
        ("0.000001", {"QuantityAsDecimal": "0.000001"}),
        (str(QUANTITY_MAX), {"QuantityAsDecimal": "9999999999.999999"}),
    ],
)
def test_exactly_one_quantity_goes_out(amount: str, member: dict[str, object]) -> None:
    record = usage_record(entry("09:00", amount))
    assert {name: record[name] for name in record if "Quantity" in name} == member


def test_the_licence_takes_the_place_of_the_product_code() -> None:
    by_code = request([entry("09:00", 5)])
    by_licence = request([entry("09:00", 5, meter=licensed())])
    assert by_code["ProductCode"] == PRODUCT
    assert "LicenseArn" not in by_code["UsageRecords"][0]
    assert "ProductCode" not in by_licence
    assert by_licence["UsageRecords"][0]["LicenseArn"] == LICENSE


@pytest.mark.parametrize(
    ("amount", "parts", "member"),
    [
        ("5", ("2", "3"), "AllocatedUsageQuantity"),
        ("1", ("0.5", "0.5"), None),  # see below
        ("1.5", ("0.5", "1"), "AllocatedUsageQuantityAsDecimal"),
        ("3000000000", ("1", "2999999999"), "AllocatedUsageQuantityAsDecimal"),
    ],
)
def test_allocations_are_of_the_kind_of_their_record(
    amount: str, parts: tuple[str, str], member: str | None
) -> None:
    """[M10] an integer record has integer allocations, a decimal one decimal ones."""
    split = (
        Allocation((), quantity(parts[0])),
        Allocation(tags(team="red", env="p"), quantity(parts[1])),
    )
    record = usage_record(entry("09:00", amount, allocations=split))
    untagged, tagged = record["UsageAllocations"]
    assert "Tags" not in untagged
    assert tagged["Tags"] == [{"Key": "env", "Value": "p"}, {"Key": "team", "Value": "red"}]
    kinds = {name for each in (untagged, tagged) for name in each if name != "Tags"}
    if member is None:
        # The whole is an integer but its parts are not: all of them go as decimals.
        assert kinds == {"AllocatedUsageQuantityAsDecimal"}
        assert record["QuantityAsDecimal"] == "1"
        assert "Quantity" not in record
    else:
        assert kinds == {member}


def test_the_same_entry_always_gives_the_same_bytes() -> None:
    again = [json.dumps(request([entry("09:00", "1.5", meter=licensed())])) for _ in range(3)]
    assert len(set(again)) == 1


def test_a_stamp_with_a_fraction_of_a_second_is_our_bug() -> None:
    with pytest.raises(AssertionError, match="a stamp is a whole second"):
        stamp_s(utc("09:10:00.5"))


def test_the_size_is_that_of_the_body() -> None:
    body = request([entry("09:00", 5, meter=Meter(PRODUCT, BUYER, "größe"))])
    assert body_bytes(body) == len(json.dumps(body))


# Reading answers

ENTRIES = (
    entry("09:00", 5),
    entry("10:00", "1.5"),
    entry("09:00", 7, meter=Meter(PRODUCT, "999988887777", DIMENSION)),
    entry("09:00", 7, meter=Meter(PRODUCT, BUYER, "users")),
)
LICENSED = (
    entry("09:00", 5, meter=licensed()),
    entry("09:00", 5, meter=licensed(arn="arn:aws:license-manager::444455556666:license:l-2")),
)


def result(of: Entry, status: object = "Success", **more: object) -> dict[str, Any]:
    return {"UsageRecord": usage_record(of), "Status": status, **more}


def outcomes(entries: tuple[Entry, ...], response: dict[str, Any]) -> list[Outcome]:
    answer = read_response(entries, response).outcomes
    assert set(answer) == {each.key for each in entries}
    return [answer[each.key] for each in entries]


@pytest.mark.parametrize(
    ("status", "outcome"),
    [
        ("Success", Accepted("id")),
        ("DuplicateRecord", Duplicate()),
        ("CustomerNotSubscribed", NotSubscribed()),
        ("Accepted", NoAnswer("AWS answered the status 'Accepted', which nobody knows")),
        ("success", NoAnswer("AWS answered the status 'success', which nobody knows")),
        (None, NoAnswer("AWS answered the status None, which nobody knows")),
    ],
)
def test_only_success_is_billed(status: object, outcome: Outcome) -> None:
    response = {"Results": [result(ENTRIES[0], status, MeteringRecordId="id")]}
    assert outcomes(ENTRIES[:1], response) == [outcome]


def test_unprocessed_records_are_certainly_not_billed() -> None:
    response = {
        "Results": [result(ENTRIES[0], MeteringRecordId="id")],
        "UnprocessedRecords": [usage_record(ENTRIES[1])],
    }
    assert outcomes(ENTRIES[:2], response) == [
        Accepted("id"),
        Deferred("AWS listed it in UnprocessedRecords"),
    ]


def test_what_the_answer_does_not_mention_has_no_answer() -> None:
    missing = NoAnswer("AWS's answer does not mention the record")
    assert outcomes(ENTRIES, {}) == [missing] * 4
    assert outcomes(ENTRIES, {"Results": None, "UnprocessedRecords": None}) == [missing] * 4


def test_what_the_answer_mentions_twice_has_no_answer() -> None:
    twice = NoAnswer("AWS's answer mentions the record 2 times")
    response = {"Results": [result(ENTRIES[0])] * 2}
    assert outcomes(ENTRIES[:1], response) == [twice]
    response = {
        "Results": [result(ENTRIES[0])],
        "UnprocessedRecords": [usage_record(ENTRIES[0])],
    }
    assert outcomes(ENTRIES[:1], response) == [twice]


def test_the_echo_may_be_written_otherwise() -> None:
    """Another quantity format, and a time stamp in this machine's own zone."""
    echo = usage_record(ENTRIES[0])
    echo["QuantityAsDecimal"] = f"{echo.pop('Quantity')}.00"
    echo["Timestamp"] = datetime.fromtimestamp(STAMP, timezone(timedelta(hours=-7)))
    response = {"Results": [{"UsageRecord": echo, "Status": "Success"}]}
    assert outcomes(ENTRIES[:1], response) == [Accepted(None)]


def test_two_licences_of_a_buyer_are_told_apart() -> None:
    response = {"Results": [result(LICENSED[1], "DuplicateRecord"), result(LICENSED[0])]}
    assert outcomes(LICENSED, response) == [Accepted(None), Duplicate()]


def test_a_result_for_something_else_answers_nothing() -> None:
    others = [
        {**usage_record(ENTRIES[0]), "Timestamp": STAMP + 1},
        {**usage_record(ENTRIES[0]), "Dimension": DIMENSION.upper()},
        {**usage_record(ENTRIES[0]), "CustomerAWSAccountId": "999988887777"},
        {**usage_record(ENTRIES[0]), "LicenseArn": LICENSE},
        {},
        None,
    ]
    response = {"Results": [{"UsageRecord": each, "Status": "Success"} for each in others]}
    assert outcomes(ENTRIES[:1], response) == [NoAnswer("AWS's answer does not mention the record")]


STATUSES = st.sampled_from(["Success", "DuplicateRecord", "CustomerNotSubscribed", "New", None])
ANSWERS = st.lists(st.tuples(st.integers(0, len(ENTRIES) - 1), STATUSES, st.booleans()), max_size=8)


@given(ANSWERS)
def test_any_answer_gives_every_entry_exactly_what_was_said_of_it(
    said: list[tuple[int, str | None, bool]],
) -> None:
    """In any order, incomplete or repeated; accepted only on the one Success for that key."""
    response: dict[str, Any] = {"Results": [], "UnprocessedRecords": []}
    for number, status, is_processed in said:
        if is_processed:
            response["Results"].append(result(ENTRIES[number], status))
        else:
            response["UnprocessedRecords"].append(usage_record(ENTRIES[number]))
    for number, outcome in enumerate(outcomes(ENTRIES, response)):
        mentions = [each for each in said if each[0] == number]
        if len(mentions) != 1:
            assert isinstance(outcome, NoAnswer)
            continue
        [(_number, status, is_processed)] = mentions
        expected: dict[object, type[Outcome]] = {
            "Success": Accepted,
            "DuplicateRecord": Duplicate,
            "CustomerNotSubscribed": NotSubscribed,
        }
        kind = expected.get(status, NoAnswer) if is_processed else Deferred
        assert type(outcome) is kind


JUNK = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text() | st.floats(),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["UsageRecord", "Status", "Timestamp", "Dimension"]) | st.text(), inner
        )
    ),
    max_leaves=6,
)


@given(st.dictionaries(st.sampled_from(["Results", "UnprocessedRecords"]), JUNK))
def test_rubbish_is_no_answer(response: dict[str, Any]) -> None:
    """Whatever stands in the way of AWS may answer 200; nothing of it can be taken for success."""
    assert all(isinstance(each, NoAnswer) for each in outcomes(ENTRIES, response))
