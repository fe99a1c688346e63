"""`metering ledger`: what the ledger says of itself, and the only way to change it."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any

import click

from marketplace_metering.cli.charter_shown import charter_json, values_of
from marketplace_metering.cli.options import Failure, json_option
from marketplace_metering.cli.render import note, out, print_json, say, table
from marketplace_metering.cli.session import Session, with_session
from marketplace_metering.core.charter import Charter, begun, where
from marketplace_metering.core.policy import Policy
from marketplace_metering.core.regions import check_region
from marketplace_metering.jobs.admit import change
from marketplace_metering.settings import ACCOUNT, POLICY_SETTINGS, days, late
from marketplace_metering.wiring import claim_of, known_account

REGION = re.compile(r"[a-z]{2,4}(-[a-z]+)+-[0-9]")
PRODUCT_LATE = re.compile(r"products\.(.+)\.late")
NAMES = (
    "region",
    "account",
    "window_length_hours",
    "late",
    "products.CODE.late",
    "grace_seconds",
    "record_retention_days",
)
# What a stack's template decides, and the parameter that says it.
OF_TEMPLATE = {
    "late": "LateUsage",
    "grace_seconds": "GraceSeconds",
    "record_retention_days": "RecordRetentionDays",
}


@click.group()
def ledger() -> None:
    """Show where the ledger is billed and its policy, or change them."""


@ledger.command()
@json_option
@with_session
def show(session: Session, as_json: bool) -> None:
    """Show region, seller account, and the policy that every run works with."""
    charter = session.charter
    if as_json:
        print_json({"store": session.settings.store, "ledger": charter_json(charter)})
        return
    if charter is None:
        say(where(charter))
        return
    drawn = table(f"Ledger of {session.settings.store}", "name", "value")
    for name, value in values_of(charter):
        drawn.row(name, value)
    out.print(drawn)
    if charter.changing is not None:
        name = charter.changing.partition(" ")[0]
        note(f"a change of {name} broke off: metering ledger set {name} VALUE", style="red")


@ledger.command("set")
@click.argument("name")
@click.argument("value")
@with_session
def set_value(session: Session, name: str, value: str) -> None:
    """Change a value, provided that nothing unsettled depends on it.

    NAME is region, account, window_length_hours, late, products.CODE.late, grace_seconds or
    record_retention_days. Late usage, grace and retention of a stack are changed in its template:
    `metering deploy --stack NAME -p LateUsage=hold`.
    """
    before = session.charter
    if before is None:
        before_or_first = _first(session, name, value)
    elif before.is_of_stack and name in OF_TEMPLATE:
        raise Failure(
            f"{name} of this ledger is what its stack's template says: metering deploy --stack "
            f"{session.settings.store.rpartition('/')[2]} -p {OF_TEMPLATE[name]}={value}. Its "
            "functions bring it here with their next run"
        )
    else:
        before_or_first = replace(before, changing=None)
    policy = session.settings.policy
    wanted = change(session.opened, name, _changed(before_or_first, name, value, policy))
    say(f"{name} is {value}: {where(wanted)}")
    if wanted.is_of_stack and name == "region":
        stack = session.settings.store.rpartition("/")[2]
        say(
            "its functions stand still until they say so too: metering deploy --stack "
            f"{stack} --metering-region {value}"
        )


def _first(session: Session, name: str, value: str) -> Charter:
    """A person writes the charter of a ledger that has none, and says where it is billed."""
    if name != "region":
        raise Failure(
            "this ledger has no region yet; say it first: metering ledger set region NAME"
        )
    settings = session.settings
    return begun(claim_of(settings, value, known_account(settings)), settings.policy)


def _changed(charter: Charter, name: str, value: str, policy: Policy) -> Charter:
    product = PRODUCT_LATE.fullmatch(name)
    if product is not None:
        chosen = {**charter.late_by_product, product[1]: late(name, value)}
        return replace(charter, late_by_product=chosen)
    if name in ("region", "account"):
        form = REGION if name == "region" else ACCOUNT
        if not form.fullmatch(value):
            raise Failure(f"{name} {value} refused: write it like us-east-1, or as 12 digits")
        if name == "region":
            check_region(name, value)
        return (
            replace(charter, region=value) if name == "region" else replace(charter, account=value)
        )
    if name == "record_retention_days":
        return replace(charter, retention=days(name, value))
    if name not in NAMES:
        raise Failure(f"{name} is not the ledger's: use one of {', '.join(NAMES)}")
    field, read = POLICY_SETTINGS[name]
    wanted: Any = read(name, value)
    changes: dict[str, Any] = {field: wanted}
    changed = replace(charter, **changes)
    changed.applied_to(policy)  # refuses what is outside its range, or cannot be with the rest
    return changed
