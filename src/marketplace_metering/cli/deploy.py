"""`metering deploy` and `destroy`: the stack in an AWS account."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

import boto3
import click
from botocore.exceptions import BotoCoreError, ClientError

from marketplace_metering.adapters.aws.clients import open_session
from marketplace_metering.cli.options import Failure, NotDone, json_option, template_parameters
from marketplace_metering.cli.render import errors, note, out, print_json, say, table
from marketplace_metering.deploy import DeployError
from marketplace_metering.deploy import destroy as destroying
from marketplace_metering.deploy import stack as stacks
from marketplace_metering.deploy.progress import StackEvent
from marketplace_metering.deploy.stack import StackPlan

LISTING_TYPES = ("SaaS Contract", "SaaS Subscription", "SaaS Contract with Subscription")
# The options that set a parameter of the template, by the name click gives them.
PARAMETERS = {
    "listing_type": "ListingType",
    "product_code": "ProductCode",
    "metering_region": "MeteringRegion",
    "role_arn": "MeteringRoleArn",
    "email": "NotificationEmail",
}


def aws_options(command: Callable[..., None]) -> Callable[..., None]:
    """Options of every command that works in an account."""
    for option in (
        click.option("--profile", help="A profile of your AWS configuration."),
        click.option("--region", help="Where the stack is, if not in your AWS settings."),
        click.option("--stack", required=True, metavar="NAME", help="The stack's name."),
    ):
        command = option(command)
    return command


yes_option = click.option("--yes", is_flag=True, help="Do not ask.")


@click.command()
@aws_options
@click.option("--listing-type", type=click.Choice(LISTING_TYPES), help="How your product is sold.")
@click.option("--product-code", help="Labels the stack of a single product.")
@click.option(
    "--metering-region", help="The region to which usage is reported; us-east-1 if not given."
)
@click.option("--role-arn", help="A role of the seller account, if the stack is in another one.")
@click.option("--email", help="Who gets alarms.")
@click.option(
    "-p",
    "--parameter",
    "others",
    multiple=True,
    metavar="NAME=VALUE",
    help="Any other parameter of the template; see docs/deploy.md.",
)
@click.option("--bucket", help="A bucket for the package; one is created if not given.")
@click.option("--dry-run", is_flag=True, help="Show what would change, and change nothing.")
@yes_option
@json_option
def deploy(
    stack: str,
    region: str | None,
    profile: str | None,
    others: Sequence[str],
    bucket: str | None,
    dry_run: bool,
    yes: bool,
    as_json: bool,
    **options: str | None,
) -> None:
    """Create or update the metering stack: tables, functions, queue, schedule and alarms.

    Parameters that are not given keep their values. What would change is shown first.
    """
    console = errors if as_json else out  # words do not go among the JSON
    with _aws(region, profile) as account:
        chosen = {PARAMETERS[name]: value for name, value in options.items() if value is not None}
        request = stacks.Request(
            stack=stack,
            parameters=chosen | template_parameters(others),
            bucket=bucket,
            is_dry_run=dry_run,
        )
        plan = stacks.prepare(account, request)
        _show(plan)
        if plan.change_set is None:
            console.print(f"stack {stack} is already up to date")
        elif dry_run:
            stacks.discard(account, plan)
            console.print("nothing was changed: this was a dry run")
            return
        elif not yes and not click.confirm("Apply these changes?", err=True):
            stacks.discard(account, plan)
            raise NotDone(f"nothing was changed: stack {stack} is as it was")
        else:
            stacks.apply(account, plan, _show_event)
        stacks.check_code(account, plan)
        outputs = stacks.outputs(account, stack)
        if as_json:
            print_json({"stack": stack, "outputs": dict(outputs)})
        else:
            drawn = table(f"Stack {stack}", "output", "value")
            for name, value in sorted(outputs.items()):
                drawn.row(name, value)
            out.print(drawn)


@click.command()
@aws_options
@click.option("--delete-tables", is_flag=True, help="Delete usage records and ledger, too.")
@click.option(
    "--confirm",
    metavar="NAME",
    help="The stack's name once more: give up the usage in its tables, billed or not.",
)
@yes_option
def destroy(
    stack: str,
    region: str | None,
    profile: str | None,
    delete_tables: bool,
    confirm: str | None,
    yes: bool,
) -> None:
    """Delete the stack. Its tables are kept, and a later deploy takes them over."""
    with _aws(region, profile) as account:
        is_there = destroying.exists(account, stack)
        tables = stacks.existing_tables(account, stack)
        if not is_there and not (delete_tables and tables):
            raise NotDone(f"there is no stack {stack} in this account and region")
        unbilled = destroying.unbilled(account, stack, looks_at_all=delete_tables)
        if unbilled.is_some:
            note(f"not billed yet: {unbilled}", "red")
        if delete_tables:
            _confirm_loss(stack, confirm, unbilled.is_some)
        if not yes and not click.confirm(f"Delete stack {stack}?", err=True):
            raise NotDone(f"nothing was deleted: stack {stack} is as it was")
        if is_there:
            destroying.destroy_stack(account, stack, _show_event)
        if delete_tables:
            for name in destroying.delete_tables(account, stack):
                say(f"deleted table {name}; DynamoDB keeps a backup of it for 35 days")
        else:
            kept = ", ".join(tables) or "no tables"
            say(f"kept: {kept}. Nothing meters them until the next deploy.")


def _confirm_loss(stack: str, confirm: str | None, is_unbilled: bool) -> None:
    if confirm is not None and confirm != stack:
        raise Failure(f"--confirm {confirm} is not the stack's name: nothing was deleted")
    if is_unbilled and confirm is None:
        raise NotDone(
            "the tables hold usage that is not billed: nothing was deleted. To bill it, leave the "
            f"stack as it is; to give it up, repeat with --confirm {stack}"
        )


@contextmanager
def _aws(region: str | None, profile: str | None) -> Iterator[boto3.session.Session]:
    """An account; what AWS refuses is said, not traced."""
    try:
        yield open_session(region=region, profile=profile)
    except DeployError as error:
        raise NotDone(str(error)) from error
    except ClientError as error:
        said = error.response.get("Error", {})
        raise NotDone(
            f"AWS refuses {error.operation_name}: {said.get('Code')}: {said.get('Message')}"
        ) from error
    except BotoCoreError as error:
        raise NotDone(f"AWS cannot be reached or used: {error}") from error


def _show(plan: StackPlan) -> None:
    package = plan.package
    versions = f"boto3 {package.versions['boto3']}"
    note(f"package: {package.size_bytes:,} bytes, {versions}, in bucket {plan.bucket}")
    note(f"package: sha256 {package.sha256}, CodeSha256 {package.code_sha256}")
    if plan.kept_tables:
        note(f"taken over from an earlier stack of this name: {', '.join(plan.kept_tables)}")
    if plan.change_set is None:
        return
    changes = table(
        f"Changes to stack {plan.request.stack}", "action", "resource", "type", "replaced"
    )
    for change in plan.change_set.changes:
        style = "red" if change.loses_data else None
        changes.row(
            change.action, change.logical_id, change.kind, change.replacement or "-", style=style
        )
    errors.print(changes)
    if any(change.loses_data for change in plan.change_set.changes):
        note("a table leaves the stack: AWS keeps it, but nothing meters what it holds", "red")


def _show_event(event: StackEvent) -> None:
    line = f"{event.at:%H:%M:%S}  {event.status:<24}  {event.logical_id}  {event.reason}"
    note(line.rstrip(), "red" if event.is_failure else None)
