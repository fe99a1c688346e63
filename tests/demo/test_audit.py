"""The auditor: it finds every kind of wrong books, and shares nothing with those it audits."""

import subprocess
import sys
from dataclasses import replace
from decimal import Decimal

import pytest

from marketplace_metering.proof.demo import audit as auditor
from marketplace_metering.proof.demo.audit import NotBilled, Statement, read_input, read_line
from marketplace_metering.proof.worlds.snapshot import MeterName

METER = MeterName("prod", "123456789012", "users", None)
NOVEMBER, DECEMBER = (METER, "2026-11"), (METER, "2026-12")


def line(quantity="5", at=1796050800000, more="") -> str:
    return (
        '{"customerAWSAccountId": "123456789012", "productCode": "prod", '
        f'"create_timestamp": {at}, "dimension": "users", "quantity": {quantity}, '
        f'"metering_pending": "true"{more}}}'
    )


BROKEN = line("5")[:40]
OTHERS = line("2", more=', "tags": 3')


def statement() -> Statement:
    """5.25 and 3 used in November; 1 of it carried into December; 2 refused; one line broken."""
    return Statement(
        input=read_input([line("5.25"), line("3"), OTHERS, BROKEN]),
        billed={NOVEMBER: 7_250_000, DECEMBER: 1_000_000},
        invoiced={NOVEMBER: 7_250_000, DECEMBER: 1_000_000},
        not_billed=(
            NotBilled(METER, 2_000_000, "2026-11", "malformed", OTHERS),
            NotBilled(MeterName("", "", "", None), None, "", "malformed", BROKEN),
        ),
        carried={NOVEMBER: 1_000_000},
        carried_into_next_month={NOVEMBER: 1_000_000},
    )


def test_right_books_have_no_complaint():
    assert statement().complaints == []
    assert all(account.is_balanced for account in statement().meters.values())
    assert len(statement().checks) == 9


def test_a_millionth_too_much_on_aws_s_side_names_the_meter():
    true = statement()
    wrong = replace(true, billed={**true.billed, DECEMBER: 1_000_001})
    assert not wrong.meters[METER].is_balanced
    assert wrong.complaints[1] == (
        "meter prod 123456789012 users: recorded 10.25, billed 8.250001 and listed 2: "
        "0.000001 too much"
    )


def test_one_meter_s_loss_is_not_hidden_by_another_s_gain():
    other = MeterName("prod", "210987654321", "users", None)
    moved = {(other, "2026-11"): 7_250_000, DECEMBER: 1_000_000}
    complaints = replace(statement(), billed=moved).complaints
    assert [text for text in complaints if text.startswith("product")] == []
    assert [text.split(":")[0] for text in complaints if "recorded" in text] == [
        "meter prod 123456789012 users",
        "meter prod 210987654321 users",
    ]


@pytest.mark.parametrize(
    ("wrong", "check"),
    [
        ({"input": read_input([line("5.25"), line("3"), OTHERS])}, None),
        ({"input": read_input([line("5.25"), OTHERS, BROKEN])}, "per meter"),
        ({"billed": {}}, "per product"),
        ({"not_billed": statement().not_billed[1:]}, "per meter"),
        ({"not_billed": statement().not_billed[:1]}, "input without a quantity is listed"),
        ({"invoiced": {NOVEMBER: 7_250_000}}, "AWS's invoices"),
        ({"carried_into_next_month": {}}, "used in November"),
        ({"carried_into_next_month": {NOVEMBER: 2_000_000}}, "used in November"),
        ({"windows_with_two_contents": 1}, "two contents: 1"),
        ({"billed_twice": 2}, "billed twice: 2"),
        ({"still_open": 3}, "without a final outcome: 3"),
        ({"violations": ["two live entries of one window"]}, "metering prove audits"),
    ],
)
def test_each_check_fails_on_its_own_kind_of_wrong_books(wrong, check):
    failed = [each.what for each in replace(statement(), **wrong).checks if each.complaints]
    if check is None:
        assert failed == []
    else:
        assert any(check in what for what in failed), failed


@pytest.mark.parametrize(
    "text",
    [
        line('"5"'),
        line("true"),
        line("null"),
        line("-1"),
        line("0.1234567"),
        line("10000000000"),
        line("NaN"),
        line("5", more=', "quantity": 5'),
        BROKEN,
    ],
)
def test_a_quantity_that_cannot_be_billed_counts_nothing(text):
    assert read_line(text).micros is None


@pytest.mark.parametrize("text", ["0", "0.000001", "9999999999.999999", "1e3", "5.2500000"])
def test_any_amount_that_can_be_billed_counts(text):
    assert read_line(line(text)).micros == Decimal(text) * 1_000_000


def test_a_repeated_event_counts_once_and_another_amount_counts_on_its_own():
    event = ', "event_id": "e-1"'
    repeated = line("5", more=event + ', "recorded_at": "b"')
    lines = [line("5", more=event + ', "recorded_at": "a"'), repeated, line("6", more=event)]
    assert [each.micros for each in read_input(lines)] == [5_000_000, 6_000_000]


def test_the_auditor_shares_no_code_with_the_product():
    """Not even through the modules that it imports: nothing outside of the proof is loaded."""
    program = (
        "import sys, marketplace_metering as it\n"
        "before = set(sys.modules)\n"
        f"import {auditor.__name__}\n"
        "print(*(name for name in set(sys.modules) - before if name.startswith(it.__name__)))"
    )
    loaded = subprocess.check_output([sys.executable, "-c", program], text=True).split()
    assert auditor.__name__ in loaded
    assert [name for name in loaded if ".proof" not in name] == []
