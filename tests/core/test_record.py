"""Reading usage records: what is right is kept whole, what is wrong is told in full (rule 11)."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from marketplace_metering.core.hours import EPOCH, epoch_ns
from marketplace_metering.core.record import Problem, UsageRecord
from marketplace_metering.core.record_rules import read_record
from tests.support.build import (
    BUYER,
    DIMENSION,
    LICENSE,
    METER,
    PRODUCT,
    hour,
    item,
    licensed,
    quantity,
    tags,
)
from tests.support.clock import utc

NOW = utc("12:00")
MS = epoch_ns(utc("09:10")) // 1_000_000


def good(written: Mapping[str, object]) -> UsageRecord:
    found = read_record(written, NOW)
    assert isinstance(found, UsageRecord), found
    return found


def wrong(written: Mapping[str, object]) -> list[str]:
    found = read_record(written, NOW)
    assert not isinstance(found, UsageRecord), found
    return [str(problem) for problem in found]


def test_a_record_as_the_guide_writes_it() -> None:
    record = good(item())
    assert (record.account, record.product, record.dimension) == (BUYER, PRODUCT, DIMENSION)
    assert (record.quantity, record.hour, record.created_ns) == (
        quantity(5),
        hour("09:00"),
        MS * 1_000_000,
    )
    assert (record.meter, record.tags, record.event_id) == (METER, (), None)
    assert record.extras == {}


def test_a_record_with_everything_that_it_may_have() -> None:
    record = good(
        item(
            licenseArn=LICENSE,
            tags={"team": "red", "env": "p:1/+-=._@ x"},
            event_id="e-1",
            quantity=Decimal("0.000001"),
            create_timestamp=Decimal(f"{MS}.000001"),
            metering_failed=False,
            metering_response="Success",
        )
    )
    assert record.meter == licensed()
    assert record.tags == tags(team="red", env="p:1/+-=._@ x")
    assert (record.event_id, record.micros, record.created_ns) == ("e-1", 1, MS * 1_000_000 + 1)
    assert record.extras == {}


def test_attributes_of_the_sellers_own_are_kept_untouched() -> None:
    own: dict[str, object] = {
        "region": "eu",
        "nested": {"a": [1, Decimal("2.50"), None]},
        "customerId": "c-1",
    }
    assert good(item(**own)).extras == own


def test_nothing_of_the_input_is_changed_by_reading_it() -> None:
    written = item(tags={"b": "2", "a": "1"}, own=[1])
    before = {**written, "tags": dict(written["tags"])}  # type: ignore[call-overload]
    good(written)
    assert written == before


ACCOUNT_FIX = "use the account id that ResolveCustomer returned, leading zeros included"
PRODUCT_FIX = "copy the product code from the AWS Marketplace Management Portal"
DIMENSION_FIX = "use the API name of a dimension of the listing, with the same upper and lower case"
AMOUNT = "must be a number from 0 to 9999999999.999999 with at most six decimals"
TIME_FIX = "give the Unix time of the usage in milliseconds"
TIME_TYPE_FIX = "give the Unix time in milliseconds as a number, without quotes or float"
PENDING = (
    'must be the string "true" for usage that is to be metered; write "metering_pending": "true", '
    "in quotes; a record that was metered before is not recorded again"
)
LICENSE_RULE = (
    "must be a licence ARN such as arn:aws:license-manager::111122223333:license:l-0123; "
    "store and send exactly what ResolveCustomer returned"
)
EVENT_RULE = "must be a string of 1 to 256 characters; give each event one id of its own"
MISSING = "refused: it is missing, and every usage record needs it;"


def tag_rule(what: str, longest: int) -> str:
    return (
        f"a tag {what} must be a string of 1 to {longest} letters, digits, spaces or +-=._:/@; "
        f"correct the {what}, or drop the tag"
    )


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        # missing
        ({"customerAWSAccountId": None}, f"customerAWSAccountId {MISSING} add it"),
        ({"productCode": None}, f"productCode {MISSING} add it"),
        ({"dimension": None}, f"dimension {MISSING} add it"),
        ({"quantity": None}, f"quantity {MISSING} add it"),
        ({"create_timestamp": None}, f"create_timestamp {MISSING} {TIME_FIX}"),
        ({"metering_pending": None}, f'metering_pending {MISSING} add "metering_pending": "true"'),
        # misspelt
        (
            {"customerAWSAccountId": None, "customerAwsAccountID": BUYER},
            f"customerAWSAccountId {MISSING} is it misspelt as 'customerAwsAccountID'? Rename that "
            "attribute to 'customerAWSAccountId'",
        ),
        (
            {"create_timestamp": None, "createTimestamp": MS},
            f"create_timestamp {MISSING} is it misspelt as 'createTimestamp'? Rename that "
            "attribute to 'create_timestamp'",
        ),
        (
            {"metering_pending": None, "metering-pending": "true"},
            f"metering_pending {MISSING} is it misspelt as 'metering-pending'? Rename that "
            "attribute to 'metering_pending'",
        ),
        (
            {"quantity": None, "quantiy": 5},
            f"quantity {MISSING} is it misspelt as 'quantiy'? Rename that attribute to 'quantity'",
        ),
        (
            {"license_arn": LICENSE},
            f"license_arn '{LICENSE:.76}... refused: it looks like a misspelt 'licenseArn'; "
            "without that usage is metered by productCode; rename the attribute to 'licenseArn'",
        ),
        (
            {"LicenceARN": 7},
            "LicenceARN 7 refused: it looks like a misspelt 'licenseArn'; without that usage is "
            "metered by productCode; rename the attribute to 'licenseArn'",
        ),
        # customerAWSAccountId
        (
            {"customerAWSAccountId": 111122223333},
            "customerAWSAccountId 111122223333 refused: must be a string, this is a number; "
            "write it in quotes",
        ),
        (
            {"customerAWSAccountId": "11112222333"},
            "customerAWSAccountId '11112222333' refused: must be exactly 12 digits, this has 11 "
            f"characters; {ACCOUNT_FIX}",
        ),
        (
            {"customerAWSAccountId": "1111-2222-3333"},
            "customerAWSAccountId '1111-2222-3333' refused: must be exactly 12 digits, this has 14 "
            f"characters; {ACCOUNT_FIX}",
        ),
        (
            {"customerAWSAccountId": "111122223333\n"},
            "customerAWSAccountId '111122223333\\n' refused: must be exactly 12 digits, this has "
            f"13 characters; {ACCOUNT_FIX}",
        ),
        (
            {"customerAWSAccountId": "١١١١٢٢٢٢٣٣٣٣"},
            "customerAWSAccountId '١١١١٢٢٢٢٣٣٣٣' refused: must be exactly 12 digits, this has 12 "
            f"characters; {ACCOUNT_FIX}",
        ),
        (
            {"customerAWSAccountId": ""},
            "customerAWSAccountId '' refused: must be exactly 12 digits, this has 0 characters; "
            f"{ACCOUNT_FIX}",
        ),
        # productCode
        (
            {"productCode": "prod abc"},
            "productCode 'prod abc' refused: must be 1 to 255 letters, digits or -/=:_.@; "
            f"{PRODUCT_FIX}",
        ),
        (
            {"productCode": ""},
            f"productCode '' refused: must be 1 to 255 letters, digits or -/=:_.@; {PRODUCT_FIX}",
        ),
        (
            {"productCode": "p" * 256},
            f"productCode '{'p' * 76}... refused: must be 1 to 255 letters, digits or -/=:_.@; "
            f"{PRODUCT_FIX}",
        ),
        (
            {"productCode": True},
            "productCode True refused: must be a string, this is a boolean; write it in quotes",
        ),
        # dimension
        ({"dimension": ""}, f"dimension '' refused: must be 1 to 255 characters; {DIMENSION_FIX}"),
        (
            {"dimension": "d" * 256},
            f"dimension '{'d' * 76}... refused: must be 1 to 255 characters; {DIMENSION_FIX}",
        ),
        (
            {"dimension": ["users"]},
            "dimension ['users'] refused: must be a string, this is a list; write it in quotes",
        ),
        (
            {"dimension": {"S": "users"}},
            "dimension {'S': 'users'} refused: must be a string, this is a map; write it in quotes",
        ),
        (
            {"dimension": "users\ud800"},
            "dimension 'users\\ud800' refused: it holds half of a character (a lone surrogate); "
            "write it in UTF-8",
        ),
        # quantity
        (
            {"quantity": "5"},
            f"quantity '5' refused: {AMOUNT}; this is a string: write the number without quotes",
        ),
        (
            {"quantity": True},
            f"quantity True refused: {AMOUNT}; this is a boolean: write the number without quotes",
        ),
        (
            {"quantity": {"N": "5"}},
            f"quantity {{'N': '5'}} refused: {AMOUNT}; this is a map: write the number without "
            "quotes",
        ),
        (
            {"quantity": 0.1},
            f"quantity 0.1 refused: {AMOUNT}; pass an int or a Decimal: a float cannot be billed "
            "exactly",
        ),
        (
            {"quantity": -1},
            f"quantity -1 refused: {AMOUNT}; AWS takes nothing back: correct over-billing with "
            "a refund, not with usage",
        ),
        (
            {"quantity": Decimal("-0.000001")},
            f"quantity -0.000001 refused: {AMOUNT}; AWS takes nothing back: correct "
            "over-billing with a refund, not with usage",
        ),
        (
            {"quantity": Decimal("0.0000001")},
            f"quantity 1E-7 refused: {AMOUNT}; round it to six decimals where you measure it",
        ),
        (
            {"quantity": Decimal("1.0000001")},
            f"quantity 1.0000001 refused: {AMOUNT}; round it to six decimals where you measure it",
        ),
        (
            {"quantity": 10**10},
            f"quantity 10000000000 refused: {AMOUNT}; record it in parts, or in a larger unit of "
            "the dimension",
        ),
        (
            {"quantity": Decimal("1E+999999")},
            f"quantity 1E+999999 refused: {AMOUNT}; record it in parts, or in a larger unit of "
            "the dimension",
        ),
        (
            {"quantity": Decimal("NaN")},
            f"quantity NaN refused: {AMOUNT}; record the quantity that was used",
        ),
        (
            {"quantity": Decimal("-Infinity")},
            f"quantity -Infinity refused: {AMOUNT}; record the quantity that was used",
        ),
        # create_timestamp
        (
            {"create_timestamp": MS // 1000},
            f"create_timestamp {MS // 1000} refused: must be in milliseconds; this looks like "
            "seconds: multiply it by 1000",
        ),
        (
            {"create_timestamp": Decimal(MS) / 1000},
            f"create_timestamp {Decimal(MS) / 1000} refused: must be in milliseconds; this looks "
            "like seconds: multiply it by 1000",
        ),
        (
            {"create_timestamp": MS * 1000},
            f"create_timestamp {MS}000 refused: must be in milliseconds; this looks like "
            "microseconds: divide it by 1000",
        ),
        (
            {"create_timestamp": MS * 1_000_000},
            f"create_timestamp {MS}000000 refused: must be in milliseconds; this looks like "
            "nanoseconds: divide it by 1000000",
        ),
        (
            {"create_timestamp": 0},
            "create_timestamp 0 refused: is before 2016-01-14, when AWS Marketplace began to "
            f"meter; {TIME_FIX}",
        ),
        (
            {"create_timestamp": -1},
            "create_timestamp -1 refused: is before 2016-01-14, when AWS Marketplace began to "
            f"meter; {TIME_FIX}",
        ),
        (
            {"create_timestamp": str(MS)},
            f"create_timestamp '{MS}' refused: must be a number, this is a string; {TIME_TYPE_FIX}",
        ),
        (
            {"create_timestamp": MS + 0.0},
            f"create_timestamp {MS}.0 refused: must be a number, this is a float; {TIME_TYPE_FIX}",
        ),
        (
            {"create_timestamp": False},
            f"create_timestamp False refused: must be a number, this is a boolean; {TIME_TYPE_FIX}",
        ),
        (
            {"create_timestamp": Decimal("NaN")},
            "create_timestamp NaN refused: must be a finite number; give the Unix time in ms",
        ),
        (
            {"create_timestamp": Decimal(f"{MS}.0000001")},
            f"create_timestamp {MS}.0000001 refused: must have at most six decimals of a "
            "millisecond; round it to a whole millisecond",
        ),
        # metering_pending
        ({"metering_pending": True}, f"metering_pending True refused: {PENDING}"),
        ({"metering_pending": "True"}, f"metering_pending 'True' refused: {PENDING}"),
        ({"metering_pending": "false"}, f"metering_pending 'false' refused: {PENDING}"),
        # licenseArn
        ({"licenseArn": "l-0123"}, f"licenseArn 'l-0123' refused: {LICENSE_RULE}"),
        ({"licenseArn": 7}, f"licenseArn 7 refused: {LICENSE_RULE}"),
        ({"licenseArn": ""}, f"licenseArn '' refused: {LICENSE_RULE}"),
        (
            {"licenseArn": f"{LICENSE}\n"},
            f"licenseArn {f'{LICENSE}{chr(10)}'!r:.77}... refused: {LICENSE_RULE}",
        ),
        # tags
        (
            {"tags": "team=red"},
            "tags 'team=red' refused: must be a map of strings; "
            'write "tags": {"key": "value"}; put metadata of your own under another name',
        ),
        (
            {"tags": [{"Key": "team", "Value": "red"}]},
            "tags [{'Key': 'team', 'Value': 'red'}] refused: must be a map of strings; "
            'write "tags": {"key": "value"}; put metadata of your own under another name',
        ),
        (
            {"tags": dict.fromkeys("abcdef", "x")},
            "tags {'a': 'x', 'b': 'x', 'c': 'x', 'd': 'x', 'e': 'x', 'f': 'x'} refused: a usage "
            "record has at most 5 tags, this has 6; leave some out",
        ),
        ({"tags": {"team": ""}}, f"tags '' refused: {tag_rule('value', 256)}"),
        ({"tags": {"team": None}}, f"tags refused: {tag_rule('value', 256)}"),
        ({"tags": {"team": 7}}, f"tags 7 refused: {tag_rule('value', 256)}"),
        ({"tags": {"team": "v" * 257}}, f"tags '{'v' * 76}... refused: {tag_rule('value', 256)}"),
        ({"tags": {"team": "red!"}}, f"tags 'red!' refused: {tag_rule('value', 256)}"),
        ({"tags": {"team": "red\n"}}, f"tags 'red\\n' refused: {tag_rule('value', 256)}"),
        ({"tags": {"": "red"}}, f"tags '' refused: {tag_rule('key', 100)}"),
        ({"tags": {"größe": "red"}}, f"tags 'größe' refused: {tag_rule('key', 100)}"),
        ({"tags": {"k" * 101: "red"}}, f"tags '{'k' * 76}... refused: {tag_rule('key', 100)}"),
        # event_id
        ({"event_id": ""}, f"event_id '' refused: {EVENT_RULE}"),
        ({"event_id": 17}, f"event_id 17 refused: {EVENT_RULE}"),
        ({"event_id": "e" * 257}, f"event_id '{'e' * 76}... refused: {EVENT_RULE}"),
        ({"event_id": "e\udfff"}, f"event_id 'e\\udfff' refused: {EVENT_RULE}"),
    ],
)
def test_what_is_wrong_is_told_with_field_value_rule_and_fix(
    changes: dict[str, object], message: str
) -> None:
    assert wrong(item(**changes)) == [message]


@pytest.mark.parametrize(
    ("ahead_s", "span"),
    [
        (15 * 60 + 1, "15 minutes"),
        (119 * 60, "119 minutes"),
        (2 * 3600, "2 hours"),
        (47 * 3600, "47 hours"),
        (48 * 3600, "2 days"),
        (40 * 86400, "40 days"),
    ],
)
def test_usage_of_the_future_is_refused_with_how_far_it_lies_ahead(ahead_s: int, span: str) -> None:
    at = epoch_ns(NOW) // 1_000_000 + ahead_s * 1000
    assert wrong(item(create_timestamp=at)) == [
        f"create_timestamp {at} refused: is {span} in the future; usage is recorded after it "
        "happened; correct the clock that wrote it, then record the usage with the true time"
    ]


def test_an_absurdly_late_time_is_refused_in_plain_words() -> None:
    [message] = wrong(item(create_timestamp=10**60))
    assert message.startswith("create_timestamp 1000")
    assert "is 999999 days in the future" in message


def test_a_clock_that_is_a_little_ahead_is_forgiven() -> None:
    edge = epoch_ns(NOW) // 1_000_000 + 15 * 60 * 1000
    assert good(item(create_timestamp=edge)).created_ns == edge * 1_000_000


def test_usage_of_the_first_day_is_the_oldest_there_is() -> None:
    first = epoch_ns(utc("2016-01-14 00:00")) // 1_000_000
    good(item(create_timestamp=first))
    assert len(wrong(item(create_timestamp=first - 1))) == 1
    assert first > epoch_ns(EPOCH)


def test_every_problem_is_told_at_once() -> None:
    found = wrong({"quantity": -1, "productCode": "a b", "tags": 5})
    assert [message.split(" ")[0] for message in found] == [
        "customerAWSAccountId",
        "create_timestamp",
        "dimension",
        "metering_pending",
        "productCode",
        "quantity",
        "tags",
    ]


def test_leading_zeros_of_an_account_matter_and_stay() -> None:
    assert good(item(customerAWSAccountId="000000000012")).account == "000000000012"


def test_dimensions_are_taken_as_they_are() -> None:
    for dimension in ("Users", "users", " users ", "größe 📦", "a\nb", "d" * 255):
        assert good(item(dimension=dimension)).dimension == dimension


JUNK = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.decimals()
    | st.text()
    | st.binary(max_size=3),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(), inner, max_size=2),
    max_leaves=4,
)
NAMES = st.sampled_from([*item(), "licenseArn", "tags", "event_id", "license_arn"]) | st.text()


@given(st.dictionaries(NAMES, JUNK))
def test_any_attributes_give_a_record_or_problems_that_can_be_printed(
    changes: dict[str, object],
) -> None:
    found = read_record({**item(), **changes}, NOW)
    if isinstance(found, UsageRecord):
        assert found.hour.start <= NOW.replace(hour=12, minute=15)
        assert hash(found.meter) is not None
        return
    assert found
    for problem in found:
        assert isinstance(problem, Problem)
        text = str(problem)
        assert " refused: " in text and text.encode() and len(text) < 400
