"""The auditor: it finds every kind of wrong books, and shares nothing with those it audits."""

import ast
import inspect
from dataclasses import replace
from decimal import Decimal

import pytest

from marketplace_metering.proof.demo import audit as auditor
from marketplace_metering.proof.demo.audit import (
    Billed,
    Evidence,
    MeterName,
    NotBilled,
    audit,
    read_input,
    read_line,
)

METER = MeterName("prod", "123456789012", "users")


def line(quantity="5", at=1796050800000, more="") -> str:
    return (
        '{"customerAWSAccountId": "123456789012", "productCode": "prod", '
        f'"create_timestamp": {at}, "dimension": "users", "quantity": {quantity}, '
        f'"metering_pending": "true"{more}}}'
    )


BROKEN = line("5")[:40]
OTHERS = line("2", more=', "tags": 3')


def evidence() -> Evidence:
    """5.25 and 3 used in November; 1 of it carried into December; 2 refused; one line broken."""
    return Evidence(
        recorded=read_input([line("5.25"), line("3"), OTHERS, BROKEN]),
        billed=(
            Billed(METER, Decimal("7.25"), "2026-11"),
            Billed(METER, Decimal(1), "2026-12"),
        ),
        invoiced={(METER, "2026-11"): Decimal("7.25"), (METER, "2026-12"): Decimal(1)},
        not_billed=(
            NotBilled(METER, Decimal(2), "2026-11", "malformed", OTHERS),
            NotBilled(MeterName("", "", ""), None, None, "malformed", BROKEN),
        ),
        carried_into_next_month={METER: Decimal(1)},
        windows_with_two_contents=0,
        billed_twice=0,
        still_open=0,
    )


def test_right_books_have_no_complaint():
    findings = audit(evidence())
    assert findings.complaints == []
    assert findings.balance


def test_a_millionth_too_much_on_aws_s_side_names_the_meter():
    true = evidence()
    more = Billed(METER, Decimal("0.000001"), "2026-12")
    findings = audit(replace(true, billed=(*true.billed, more)))
    assert not findings.balance
    assert findings.complaints[1] == (
        "meter prod 123456789012 users: recorded 10.25, billed 8.250001 and listed 2: "
        "0.000001 too much"
    )


def test_one_meter_s_loss_is_not_hidden_by_another_s_gain():
    true = evidence()
    other = MeterName("prod", "210987654321", "users")
    moved = (Billed(other, Decimal("7.25"), "2026-11"), true.billed[1])
    complaints = audit(replace(true, billed=moved)).complaints
    assert [text for text in complaints if text.startswith("product")] == []
    assert [text.split(":")[0] for text in complaints if "recorded" in text] == [
        "meter prod 123456789012 users",
        "meter prod 210987654321 users",
    ]


@pytest.mark.parametrize(
    ("wrong", "check"),
    [
        ({"recorded": read_input([line("5.25"), line("3"), OTHERS])}, None),
        ({"recorded": read_input([line("5.25"), OTHERS, BROKEN])}, "per meter"),
        ({"billed": ()}, "per product"),
        ({"not_billed": evidence().not_billed[1:]}, "per meter"),
        ({"not_billed": evidence().not_billed[:1]}, "input without a quantity is listed"),
        ({"invoiced": {(METER, "2026-11"): Decimal("7.25")}}, "AWS's invoices"),
        ({"carried_into_next_month": {}}, "used in November"),
        ({"carried_into_next_month": {METER: Decimal(2)}}, "used in November"),
        ({"windows_with_two_contents": 1}, "two contents: 1"),
        ({"billed_twice": 2}, "billed twice: 2"),
        ({"still_open": 3}, "without a final outcome: 3"),
    ],
)
def test_each_check_fails_on_its_own_kind_of_wrong_books(wrong, check):
    findings = audit(replace(evidence(), **wrong))
    failed = [each.what for each in findings.checks if each.complaints]
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
    assert read_line(text).quantity is None


@pytest.mark.parametrize("text", ["0", "0.000001", "9999999999.999999", "1e3", "5.2500000"])
def test_any_amount_that_can_be_billed_counts(text):
    assert read_line(line(text)).quantity == Decimal(text)


def test_a_repeated_event_counts_once_and_another_amount_counts_on_its_own():
    event = ', "event_id": "e-1"'
    repeated = line("5", more=event + ', "recorded_at": "b"')
    lines = [line("5", more=event + ', "recorded_at": "a"'), repeated, line("6", more=event)]
    assert [each.quantity for each in read_input(lines)] == [5, 6]


def test_the_auditor_imports_nothing_of_the_product():
    tree = ast.parse(inspect.getsource(auditor))
    modules = {
        name
        for node in ast.walk(tree)
        for name in (
            [node.module]
            if isinstance(node, ast.ImportFrom)
            else [alias.name for alias in node.names]
            if isinstance(node, ast.Import)
            else []
        )
    }
    assert not [name for name in modules if name and name.startswith("marketplace_metering")]
