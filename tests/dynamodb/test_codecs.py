"""What is stored comes back exactly, and stays small."""

from __future__ import annotations

from array import array
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from marketplace_metering.adapters.dynamodb.api.attributes import (
    UnstorableError,
    attribute_of,
    python_value,
    timestamp_ns,
)
from marketplace_metering.adapters.dynamodb.items import keys
from marketplace_metering.adapters.dynamodb.items.member_list import (
    MemberColumns,
    MemberList,
    SealedContent,
)
from marketplace_metering.core.hours import NS_PER_HOUR, NS_PER_MS, UsageHour
from marketplace_metering.core.identity import BookKey, Meter, Window
from marketplace_metering.core.ledger import EntryKey
from marketplace_metering.core.limits import QUANTITY_MICROS_MAX
from marketplace_metering.core.record_item import timestamp_text

HOUR = 494_000 * NS_PER_HOUR
TIMES = st.integers(min_value=HOUR - 40 * 24 * NS_PER_HOUR, max_value=HOUR + NS_PER_HOUR - 1)
QUANTITIES = st.integers(min_value=0, max_value=QUANTITY_MICROS_MAX)
TAGS = st.dictionaries(st.text(min_size=1, max_size=4), st.text(max_size=4), max_size=3).map(
    lambda pairs: tuple(sorted(pairs.items()))
)


@given(
    st.dictionaries(
        st.one_of(TIMES, TIMES.map(lambda ns: ns // NS_PER_MS * NS_PER_MS)),
        st.tuples(TAGS, st.one_of(QUANTITIES, st.just(1_000_000))),
        min_size=1,
        max_size=40,
    )
)
def test_members_come_back_exactly(
    said: dict[int, tuple[tuple[tuple[str, str], ...], int]],
) -> None:
    parts = []
    for ns, (tags, micros) in said.items():
        columns = MemberColumns()
        columns.add(ns, micros)
        parts.append((tags, columns))
    members = MemberList.decode(MemberList.of(parts).encode())
    assert members.said() == {ns: SealedContent(*each) for ns, each in said.items()}
    assert (members.first_ns, members.last_ns) == (min(said), max(said))
    assert list(members.pairs()) == list(MemberList.of(parts).pairs())


def test_fifty_members_take_two_hundred_bytes_and_two_hundred_thousand_fit_into_one_part() -> None:
    def encoded(count: int) -> int:
        step = 3_600_000 // count
        ns = array("q", ((HOUR // NS_PER_MS + n * step + n % 7) * NS_PER_MS for n in range(count)))
        micros = array("q", ((1 + n * n % 13) * 1_000_000 for n in range(count)))
        return len(MemberList.of([((), MemberColumns(ns, micros))]).encode())

    assert encoded(50) < 200
    assert encoded(200_000) < 300_000


@given(TIMES)
def test_the_time_of_a_usage_record_is_exact_to_the_nanosecond(ns: int) -> None:
    assert timestamp_ns(timestamp_text(ns)) == ns


def test_times_are_written_as_the_guide_writes_them() -> None:
    assert timestamp_text(1_708_012_345_678 * NS_PER_MS) == "1708012345678"
    assert timestamp_text(1_708_012_345_678 * NS_PER_MS + 10) == "1708012345678.00001"
    assert timestamp_ns("1708012345678.0000001") is None


JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.text()
    | st.integers(min_value=-(10**37), max_value=10**37)
    | st.decimals(allow_nan=False, allow_infinity=False, places=6, min_value=-(10**9)),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=10,
)


@given(JSON)
def test_a_sellers_own_attributes_come_back_exactly(value: object) -> None:
    assert python_value(attribute_of(value)) == value


def test_numbers_that_dynamodb_would_round_are_kept_as_text() -> None:
    digits = "1." + "0123456789" * 5
    assert attribute_of(Decimal(digits)) == {"S": digits}
    assert attribute_of(Decimal("NaN")) == {"S": "NaN"}
    assert attribute_of(Decimal("1E+200")) == {"S": "1E+200"}


def test_what_is_nested_too_deep_has_no_place() -> None:
    value: object = 1
    for _level in range(40):
        value = [value]
    with pytest.raises(UnstorableError, match="30 levels"):
        attribute_of(value)


NAMES = st.text(alphabet="abcXYZ019-/=:_.@", min_size=1, max_size=12)


@given(NAMES, st.text(alphabet="0123456789", min_size=12, max_size=12), st.text(min_size=1))
def test_a_book_is_told_from_every_other_by_its_name(
    product: str, account: str, dimension: str
) -> None:
    key = BookKey(product, account, dimension)
    assert keys.book_key_of(keys.book_pk(key)) == key


@pytest.mark.parametrize("license_arn", [None, f"arn:aws:license-manager::1:{'l' * 1024}"])
def test_an_entry_is_told_by_its_place_however_long_its_licence_is(license_arn: str | None) -> None:
    window = Window(Meter("prod", "1" * 12, "a#b|c#head", license_arn), UsageHour(494_000))
    key = EntryKey(window, 3)
    place = keys.entry_place(key)
    assert len(place.sk.encode()) < 1_024
    assert keys.entry_key(place, license_arn) == key
    assert keys.parse_place(str(place)) == place


@pytest.mark.parametrize(
    "written",
    [
        *("", "|", "book#p#1#d", "x|y", "book#p#1#d|head"),
        # Keys that DynamoDB refuses, and with them the whole request.
        *("book#x|hour#" + "A" * 2_000, f"book#{'é' * 1_024}|hour#1"),
    ],
)
def test_a_seller_may_have_written_anything_where_we_write_places(written: str) -> None:
    assert keys.parse_place(written) is None
