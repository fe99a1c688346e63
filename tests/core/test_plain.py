"""The short way through plain lines: it says nothing that the careful way does not say."""

from __future__ import annotations

import json
from collections.abc import Sequence
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from marketplace_metering.core.hours import epoch_ns
from marketplace_metering.core.record import Problem, UsageRecord
from marketplace_metering.core.record_rules import read_record
from marketplace_metering.files import json_shapes
from marketplace_metering.files.json_lines import read_json
from marketplace_metering.files.json_shapes import PlainLines
from tests.support.build import BUYER, LICENSE, PRODUCT, hour, item
from tests.support.clock import utc

NOW = utc("12:00")
NINE_MS = epoch_ns(utc("09:10")) // 1_000_000


def carefully(line: str) -> UsageRecord | None:
    """What the careful way makes of a line."""
    pieces = list(read_json([line]))
    if len(pieces) != 1 or isinstance(pieces[0].item, Problem):
        return None
    found = read_record(pieces[0].item, NOW)
    return found if isinstance(found, UsageRecord) else None


def taken(*lines: str, times: int = 1) -> dict[int, UsageRecord]:
    """The plain usage records by the place of their line; the lines come so many times."""
    reader = PlainLines(carefully)
    for _ in range(times):
        columns, places = reader.take(lines, NOW)
    assert len(columns) == len(places)
    return dict(zip(places, columns, strict=True))


def test_what_repeats_a_line_that_was_right_is_plain() -> None:
    lines = [json.dumps(item(quantity=number)) + "\n" for number in (1, 2, 3)]
    found = taken(*lines)
    assert [record.micros for record in found.values()] == [1_000_000, 2_000_000, 3_000_000]
    assert found == {place: carefully(line) for place, line in enumerate(lines)}


@pytest.mark.parametrize(
    "attributes",
    [
        item(tags={"team": "red", "env": "prod"}),
        item(licenseArn=LICENSE),
        item(event_id="e-1"),
        item(dimension="Größe 大"),
        item(request="r-1", attempt=2, offset=-3, note=""),
        item(quantity=0),
        dict(reversed(item().items())),
    ],
    ids=lambda attributes: ",".join(attributes),
)
@pytest.mark.parametrize("separators", [None, (",", ":"), (" , ", " :  ")])
def test_every_optional_attribute_every_order_and_every_spacing_can_be_plain(
    attributes: dict[str, object], separators: tuple[str, str] | None
) -> None:
    line = json.dumps(attributes, separators=separators, ensure_ascii=False)
    assert taken(line) == {0: carefully(line)}


def test_fractions_are_exact() -> None:
    lines = [
        f'{{"customerAWSAccountId": "{BUYER}", "productCode": "{PRODUCT}", '
        f'"create_timestamp": {NINE_MS}{ms}, "dimension": "d", "quantity": {amount}, '
        '"metering_pending": "true"}'
        for ms, amount in [("", "0.1"), (".5", "12.000001"), (".000001", "9999999999.999999")]
    ]
    found = taken(*lines)
    assert [record.micros for record in found.values()] == [
        100_000,
        12_000_001,
        9_999_999_999_999_999,
    ]
    assert [record.created_ns - NINE_MS * 1_000_000 for record in found.values()] == [0, 500_000, 1]


def test_two_spellings_of_one_set_of_tags_are_one_group() -> None:
    red = json.dumps(item(tags={"a": "1", "b": "2"}))
    columns, _places = PlainLines(carefully).take([red, red.replace('": "', '":"')], NOW)
    assert len(columns) == 2
    assert len(columns.groups) == 1


LINE = json.dumps(item())


@pytest.mark.parametrize(
    "line",
    [
        json.dumps(item(own="x\n")),
        json.dumps(item(own=1.5)),
        LINE.replace("{", '{"own": null, '),
        json.dumps(item(own=["x"])),
        json.dumps(item(license_arn="x")),
        json.dumps(item(metering_failed="x")),
        json.dumps(item(quantity=-1)),
        LINE.replace("5,", "5.0000000,"),
        LINE.replace("5,", "05,"),
        LINE.replace("5,", "5e0,"),
        LINE.replace("5,", '"5",'),
        LINE.replace("api_calls", "api\\u005fcalls"),
        LINE.replace('"quantity": 5', '"quantity": 5, "quantity": 5'),
        LINE.replace('"true"', '"false"'),
        LINE[:-1],
        LINE.removeprefix("{"),
        f"[{LINE}]",
        "",
        "\n",
        json.dumps(item(quantity=10_000_000_000)),
        json.dumps(item(create_timestamp=NINE_MS // 1_000)),
        json.dumps(item(create_timestamp=NINE_MS + 86_400_000)),
        json.dumps(item(customerAWSAccountId="1" * 11)),
        json.dumps(item(event_id="e" * 257)),
        json.dumps(item(tags={"a": ""})),
        json.dumps(item(metering_response={"event_id": "another's"})),
    ],
)
def test_what_is_not_plain_is_left(line: str) -> None:
    assert taken(LINE, line, LINE, times=2).keys() == {0, 2}


def test_a_time_that_is_wrong_does_not_make_a_group() -> None:
    ahead = json.dumps(item(create_timestamp=NINE_MS + 86_400_000))
    columns, places = PlainLines(carefully).take([LINE, ahead], NOW)
    assert places == [0]
    assert [name.hour for name in columns.groups] == [hour("09:00").number]


def test_a_reader_knows_only_so_many_shapes_and_names(monkeypatch: pytest.MonkeyPatch) -> None:
    """Beyond that it is slower and not wrong."""
    monkeypatch.setattr(json_shapes, "SHAPES_MAX", 2)
    monkeypatch.setattr(json_shapes, "NAMES_MAX", 2)
    spaced = [LINE.replace("{", "{" + " " * number) for number in range(4)]
    assert taken(*spaced, times=2).keys() == {0, 1}
    buyers = [json.dumps(item(customerAWSAccountId=f"{number:012d}")) for number in range(6)]
    assert taken(*buyers, times=3).keys() == set(range(6))


def test_more_lines_than_a_block_come_out_in_their_places(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(json_shapes, "LINES_PER_BLOCK", 3)
    lines = [json.dumps(item(quantity=number)) for number in range(1, 12)]
    lines[4] = "{"
    found = taken(*lines)
    assert {place: record.micros // 1_000_000 for place, record in found.items()} == {
        place: place + 1 for place in range(11) if place != 4
    }


# Any lines

NUMBERS = ["5", "0", "-1", "5.5", "05", "5.", "5e0", "1E+3", "0.0000001", "1.1234567", "1.120000"]
NUMBERS += ["9999999999.999999", "10000000000", "true", "null", '"5"', "12345678901234567890", ".5"]
TIMES = [str(NINE_MS), f"{NINE_MS}.25", f"{NINE_MS}.1234567", str(NINE_MS // 1_000), "0"]
TIMES += [str(NINE_MS + 86_400_000), f"{NINE_MS}e0", f'"{NINE_MS}"', f"0{NINE_MS}"]
STRINGS = [f'"{BUYER}"', f'"{PRODUCT}"', '"d"', '"é大"', '"\\u0064"', '""', "null", "5", '"\\""']
STRINGS += ['"11112222333"', '"quantity"', '"a\tb"', '"\ud800"', '"' + "x" * 256 + '"', '"}, {"']
TAGS = ["{}", '{"a": "b"}', '{"a":"b"}', '{"a": "b", "c": "d"}', '{"a": ""}', '{"a": {}}', "[]"]
TAGS += ['{"quantity": "7"}', '{"a": "}"}', '{"a": 5}', '{"a": "b", "a": "c"}', "null", '"a"']
ANYTHING = st.sampled_from([*NUMBERS, *STRINGS, *TAGS])


def mostly(usual: str, others: Sequence[str]) -> st.SearchStrategy[str]:
    return st.one_of(st.just(usual), st.just(usual), st.sampled_from(others), ANYTHING)


MEMBERS = {
    "customerAWSAccountId": mostly(f'"{BUYER}"', STRINGS),
    "productCode": mostly(f'"{PRODUCT}"', STRINGS),
    "create_timestamp": mostly(str(NINE_MS), TIMES),
    "dimension": mostly('"d"', STRINGS),
    "quantity": mostly("5", NUMBERS),
    "metering_pending": mostly('"true"', ['"tr\\u0075e"', '"false"', "true"]),
    "tags": mostly('{"a": "b"}', TAGS),
    "licenseArn": mostly(f'"{LICENSE}"', STRINGS),
    "event_id": mostly('"e-1"', STRINGS),
    "metering_response": ANYTHING,
    "own": ANYTHING,
}
REQUIRED = list(MEMBERS)[:6]
GAPS = st.sampled_from(["", " ", "  ", "\t", "\r", "\n", "\u00a0"])


@st.composite
def any_line(draw: st.DrawFn) -> str:
    """A usage record, more or less."""
    names = [*REQUIRED, *draw(st.lists(st.sampled_from(list(MEMBERS)), max_size=2))]
    if draw(st.booleans()):
        names = draw(st.permutations(names))
    colon, comma = f":{draw(GAPS)}", f",{draw(GAPS)}"
    members = (f'"{name}"{colon}{draw(MEMBERS[name])}' for name in names)
    line = f"{draw(GAPS)}{{{comma.join(members)}}}{draw(GAPS)}"
    if draw(st.integers(0, 9)) == 0:
        cut = draw(st.integers(0, len(line)))
        line = line[:cut] + draw(st.sampled_from(["", '"', "}", "{", ",", "\\"])) + line[cut + 1 :]
    return line


@settings(max_examples=300)
@given(st.lists(any_line(), min_size=1, max_size=8))
def test_the_short_way_and_the_careful_way_agree(lines: list[str]) -> None:
    """Whatever was read before: what the short way takes is what the careful way says, exactly."""
    found = taken(*lines, times=2)
    for place, record in found.items():
        assert record == carefully(lines[place]), lines[place]


@given(
    st.lists(
        st.fixed_dictionaries(
            {
                "create_timestamp": st.integers(NINE_MS - 10**7, NINE_MS + 10**7)
                | st.decimals(NINE_MS - 10**7, NINE_MS + 10**7, places=6),
                "quantity": st.integers(0, 9_999_999_999)
                | st.decimals(0, Decimal("9999999999.999999"), places=6),
            },
            optional={
                "tags": st.sampled_from([{"a": "b"}, {"a": "c"}]),
                "event_id": st.text("abcé", min_size=1, max_size=5),
                "own": st.text("abcé", max_size=3) | st.integers(-9, 9),
            },
        ),
        min_size=1,
    )
)
def test_usage_records_in_the_guide_s_format_are_plain(changes: list[dict[str, Any]]) -> None:
    """The short way is taken at all: by every record that an application would write."""
    lines = [written(item(**dict(sorted(each.items())))) for each in changes]
    assert taken(*lines, times=8).keys() == set(range(len(lines)))


def written(attributes: dict[str, object]) -> str:
    """JSON with the digits of its numbers, as recorders write it."""
    members = (f'"{name}": {_number_or_json(value)}' for name, value in attributes.items())
    return "{" + ", ".join(members) + "}"


def _number_or_json(value: object) -> str:
    return str(value) if isinstance(value, Decimal) else json.dumps(value, ensure_ascii=False)
