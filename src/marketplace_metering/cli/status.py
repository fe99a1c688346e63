"""`metering status`: the books of each product."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Any

import click

from marketplace_metering.cli.charter_shown import charter_json, place_json, values_of
from marketplace_metering.cli.options import ATTENTION, FAILED, json_option
from marketplace_metering.cli.render import (
    iso,
    note,
    out,
    print_json,
    refused_json,
    say,
    table,
    when,
)
from marketplace_metering.cli.session import Session, with_session
from marketplace_metering.core.balance import Balance
from marketplace_metering.core.charter import where
from marketplace_metering.core.plain_text import one_line
from marketplace_metering.core.quantity import total
from marketplace_metering.core.record_item import timestamp_text
from marketplace_metering.jobs import copies
from marketplace_metering.ports import Reports

PARTS = ("recorded", "billed", "presumed", "sealed", "parked", "unresolved", "listed", "pending")
ALWAYS_SHOWN = ("recorded", "billed", "pending")
NAMED_MAX = 10
NOT_READABLE = "(not readable)"  # refused input that names no product


@click.command()
@click.option("--refused", is_flag=True, help="Also list refused input.")
@click.option("--check", is_flag=True, help="Exit with 3 if anything needs a person.")
@json_option
@with_session
def status(session: Session, refused: bool, check: bool, as_json: bool) -> None:
    """Show the books of each product, and whether they balance.

    They do if recorded = billed + presumed + sealed + parked + unresolved + listed + pending. Exits
    with 1 if that does not hold. Names usage records that are not in the table as they were sealed.
    """
    balances = session.reports.balances()
    said = (copies.complaint(session.opened.store, session.opened.mark), _broken_off(session))
    complaints = [each for each in said if each is not None]
    if as_json:
        print_json(_as_json(session, balances, refused))
    else:
        _show(session, balances, refused)
    for complaint in complaints:
        note(complaint, style="red")
    if not all(balance.is_balanced for balance in balances):
        sys.exit(FAILED)
    if check and (complaints or any(_needs_attention(balance) for balance in balances)):
        sys.exit(ATTENTION)


def _broken_off(session: Session) -> str | None:
    """What every run says while a person's change of the ledger is not done."""
    charter = session.charter
    if charter is None or charter.changing is None:
        return None
    name = charter.changing.partition(" ")[0]
    return (
        f"a change of the ledger's {name} broke off, and nothing is sealed or sent until it is "
        f"said again: metering ledger set {name} VALUE"
    )


def _needs_attention(balance: Balance) -> bool:
    parts = (balance.parked, balance.unresolved, balance.listed)
    is_named = bool(balance.unreadable_inputs or balance.missing)
    return any(part.records for part in parts) or is_named


def _as_json(session: Session, balances: Sequence[Balance], refused: bool) -> dict[str, Any]:
    value: dict[str, Any] = {
        "store": session.settings.store,
        **place_json(session.charter),
        "ledger": charter_json(session.charter),
        "balanced": all(balance.is_balanced for balance in balances),
        "oldest_pending_at": iso(session.reports.oldest_pending_at()),
        "products": [_balance_json(balance) for balance in balances],
    }
    if refused:
        value["refused_input"] = refused_json(session.reports.refused_inputs())
    return value


def _balance_json(balance: Balance) -> dict[str, Any]:
    value: dict[str, Any] = {"product": balance.product, "balanced": balance.is_balanced}
    for part in (*PARTS, "refused", "written_off", "refused_input"):
        quantity, records = getattr(balance, part)
        value[part] = {"quantity": str(quantity), "usage_records": records}
    value["carried"] = str(balance.carried)
    value["unreadable_inputs"] = balance.unreadable_inputs
    value["missing"] = [
        {
            "account": each.meter.account,
            "create_timestamp": timestamp_text(each.created_ns),
            "dimension": each.meter.dimension,
            "license_arn": each.meter.license_arn,
            "quantity": str(each.quantity),
            "window": str(each.hour),
            "state": str(each.state),
            "there": each.there,
        }
        for each in balance.missing
    ]
    return value


def _show(session: Session, balances: Sequence[Balance], refused: bool) -> None:
    shown = [
        part
        for part in PARTS
        if part in ALWAYS_SHOWN or any(getattr(balance, part).records for balance in balances)
    ]
    drawn = table(f"Books of {session.settings.store}", "product", *shown, numbers=len(shown))
    for balance in balances:
        cells = [str(getattr(balance, part).quantity) for part in shown]
        drawn.row(balance.product or NOT_READABLE, *cells)
    out.print(drawn)
    _say_charter(session)
    if not balances:
        out.print("nothing is recorded yet: metering record --help")
        return
    _say_balanced(balances, shown)
    say(f"oldest pending usage: {when(session.reports.oldest_pending_at())}")
    for balance in balances:
        _say_listed(balance)
    if refused:
        _say_refused(session.reports)


def _say_charter(session: Session) -> None:
    charter = session.charter
    say(where(charter))
    if charter is not None:
        policy = dict(values_of(charter))
        del policy["region"], policy["account"]
        say("policy: " + ", ".join(f"{name} {value}" for name, value in policy.items()))


def _say_balanced(balances: Sequence[Balance], shown: Sequence[str]) -> None:
    unbalanced = [balance for balance in balances if not balance.is_balanced]
    for balance in unbalanced:
        said = f"recorded {balance.recorded.quantity} but accounted for {balance.accounted}"
        say(f"{balance.product}: {said}; please report this", style="red")
    if not unbalanced:
        parts = " + ".join(part for part in shown if part != "recorded")
        say(f"balanced: recorded = {parts}")


def _say_listed(balance: Balance) -> None:
    reasons = (
        (balance.parked, "parked: refused by AWS, tried again until the deadline"),
        (balance.unresolved, "unresolved: AWS may have billed it"),
        (balance.refused, "not billed: it was refused, or it came too late"),
        (balance.written_off, "written off"),
        (balance.refused_input, "refused input"),
    )
    name = balance.product or NOT_READABLE
    for (quantity, records), why in reasons:
        if records:
            say(f"{name}: quantity {quantity} in {records:,} usage records {why}")
    if balance.unreadable_inputs:
        text = f"{name}: {balance.unreadable_inputs:,} refused inputs without a readable quantity"
        say(f"{text}: metering status --refused")
    _say_missing(name, balance)


def _say_missing(name: str, balance: Balance) -> None:
    missing = balance.missing
    if not missing:
        return
    quantity = total(each.quantity for each in missing)
    say(
        f"{name}: {len(missing):,} usage records with quantity {quantity} were sealed, and are not "
        "in the table as they were sealed. Their windows bill what was sealed; what was put over "
        "them is metered or listed by itself"
    )
    for each in missing[:NAMED_MAX]:
        there = "nothing stands there now" if each.there is None else f"now {each.there}"
        say(
            f"  {each.meter.account} {timestamp_text(each.created_ns)}: {each.meter.dimension} "
            f"{each.quantity}, {each.state} in the window {each.hour}; {there}"
        )
    if len(missing) > NAMED_MAX:
        say(f"  and {len(missing) - NAMED_MAX:,} more: metering status --json")


def _say_refused(reports: Reports) -> None:
    for kept in reports.refused_inputs():
        for problem in kept.problems:
            out.print(one_line(f"{kept.source}:"), style="yellow", end=" ")
            say(str(problem))
