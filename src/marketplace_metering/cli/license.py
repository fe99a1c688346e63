"""`metering license`: which product code a licence is metered under."""

from __future__ import annotations

import click

from marketplace_metering.cli.options import Failure
from marketplace_metering.cli.render import say
from marketplace_metering.cli.session import Session, with_session
from marketplace_metering.core.hours import UsageHour
from marketplace_metering.core.identity import LICENSE_ARN, PRODUCT_CODE
from marketplace_metering.core.license_owners import Owner
from marketplace_metering.jobs import licenses


@click.command("license")
@click.argument("license_arn", metavar="ARN")
@click.option("--product", metavar="CODE", help="Meter it under this product code from now on.")
@with_session
def license(session: Session, license_arn: str, product: str | None) -> None:
    """Show the product code that a licence is metered under, or give it to another.

    AWS counts the licence, and is told no product code. So a licence belongs to the first product
    code under which its usage is sealed, and usage that names another is refused. Give it away if
    the first one was wrong: what is sealed stays as it is, the new product code fills the hours
    from two hours ahead on, and its earlier usage is carried into them.
    """
    if not LICENSE_ARN.fullmatch(license_arn):
        raise click.UsageError(f"{license_arn} is no licence ARN: take it from the usage")
    if product is None:
        owner = session.opened.corrections.license_owner(license_arn)
        say(
            "it belongs to no product yet: none of its usage is sealed"
            if owner is None
            else f"it is metered under {_said(owner)}"
        )
        return
    if not PRODUCT_CODE.fullmatch(product):
        raise click.UsageError(f"--product {product}: 1 to 255 letters, digits or -/=:_.@")
    try:
        given = licenses.give(session.opened, license_arn, product, session.clock.now())
    except licenses.NotGivenError as error:
        raise Failure(str(error)) from error
    before = "no product" if given.before is None else f"product {given.before.product}"
    if given.now == given.before:
        say(f"nothing to do: it is metered under {_said(given.now)}")
        return
    say(
        f"it is metered under {_said(given.now)}, and belonged to {before}. What was refused "
        f"is still listed: metering retry --license-arn {license_arn}"
    )


def _said(owner: Owner) -> str:
    since = "" if owner.since == UsageHour(0) else f", in the hours from {owner.since} on"
    return f"product {owner.product}{since}"
