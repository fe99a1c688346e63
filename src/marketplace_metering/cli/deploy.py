"""`metering deploy`, `template` and `destroy`: the stack in an AWS account."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from marketplace_metering.cli.options import FAILED, Failure, json_option

if TYPE_CHECKING:
    import boto3

    from marketplace_metering.deploy.progress import StackEvent
    from marketplace_metering.deploy.stack import StackPlan

Command = TypeVar("Command", bound=Callable[..., Any])

LISTING_TYPES = ("SaaS Contract", "SaaS Subscription", "SaaS Contract with Subscription")
# The options that set a parameter of the template, by the name click gives them.
PARAMETERS = {
    "listing_type": "ListingType",
    "product_code": "ProductCode",
    "metering_region": "MeteringRegion",
    "role_arn": "MeteringRoleArn",
    "email": "NotificationEmail",
}


class AwsFailure(Failure):
    """AWS did not do what was asked for."""

    exit_code = FAILED


def aws_options(command: Command) -> Command:
    """Options of every command that works in an account."""
    command = click.option("--profile", help="A profile of your AWS configuration.")(command)
    command = click.option("--region", help="Where the stack is, if not in your AWS settings.")(
        command
    )
    return click.option("--stack", required=True, metavar="NAME", help="The stack's name.")(command)


yes_option = click.option("--yes", is_flag=True, help="Do not ask.")


@click.command()
@aws_options
@click.option("--listing-type", type=click.Choice(LISTING_TYPES), help="How your product is sold.")
@click.option("--product-code", help="Labels the stack of a single product.")
@click.option("--metering-region", help="Where usage is reported to; us-east-1 if not given.")
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
@click.option("--bucket", help="A bucket for the package; one is made if not given.")
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
    from marketplace_metering.cli.render import out, print_json
    from marketplace_metering.deploy import stack as stacks

    with _aws(region, profile) as session:
        request = stacks.Request(
            stack=stack,
            parameters=_parameters(options, others),
            bucket=bucket,
            is_dry_run=dry_run,
        )
        plan = stacks.prepare(session, request)
        _show(plan)
        if plan.change_set is None:
            out_or_error(as_json).print(f"stack {stack} is already as asked for")
        elif dry_run:
            stacks.discard(session, plan)
            out_or_error(as_json).print("nothing was changed: this was a dry run")
            return
        elif not yes and not click.confirm("Apply these changes?", err=True):
            stacks.discard(session, plan)
            raise AwsFailure(f"nothing was changed: stack {stack} is as it was")
        else:
            stacks.apply(session, plan, _show_event)
        outputs = stacks.outputs(session, stack)
        if as_json:
            print_json({"stack": stack, "outputs": dict(outputs)})
        else:
            out.print(_outputs_table(stack, outputs))


@click.command()
@click.option(
    "--output",
    type=click.Path(file_okay=False, path_type=Path),
    metavar="FOLDER",
    help="Write template.yaml and lambda.zip there, for `aws cloudformation package`.",
)
def template(output: Path | None) -> None:
    """Print the CloudFormation template, or write it with its package into a folder."""
    from marketplace_metering.cli.render import errors
    from marketplace_metering.deploy import template as templates
    from marketplace_metering.deploy.package import PackageError, build

    if output is None:
        click.echo(templates.read(), nl=False)
        return
    try:
        package = build(output / templates.PACKAGE_FILE)
    except PackageError as error:
        raise Failure(str(error)) from error
    path = output / templates.TEMPLATE_FILE
    path.write_text(templates.read(), encoding="utf-8")
    errors.print(f"wrote {path} and {package.path} ({package.size_bytes:,} bytes)", soft_wrap=True)


@click.command()
@aws_options
@click.option("--delete-tables", is_flag=True, help="Delete usage records and ledger, too.")
@click.option(
    "--confirm",
    metavar="NAME",
    help="The stack's name once more: give up what its tables hold, billed or not.",
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
    """Delete the stack. Its two tables are kept, and a later deploy takes them up again."""
    from marketplace_metering.cli.render import errors, out
    from marketplace_metering.deploy import destroy as destroying
    from marketplace_metering.deploy import stack as stacks

    with _aws(region, profile) as session:
        is_there = destroying.exists(session, stack)
        tables = stacks.existing_tables(session, stack)
        if not is_there and not (delete_tables and tables):
            raise AwsFailure(f"there is no stack {stack} in this account and region")
        unbilled = destroying.unbilled(session, stack, looks_at_all=delete_tables)
        if unbilled.is_some:
            errors.print(f"not billed yet: {unbilled}", style="red", soft_wrap=True)
        if delete_tables:
            _confirm_loss(stack, confirm, unbilled.is_some)
        if not yes and not click.confirm(f"Delete stack {stack}?", err=True):
            raise AwsFailure(f"nothing was deleted: stack {stack} is as it was")
        if is_there:
            destroying.destroy_stack(session, stack, _show_event)
        if delete_tables:
            for name in destroying.delete_tables(session, stack):
                out.print(f"deleted table {name}; DynamoDB keeps a backup of it for 35 days")
        else:
            kept = ", ".join(tables) or "no tables"
            out.print(f"kept: {kept}. Nothing meters them until the next deploy.", soft_wrap=True)


def _confirm_loss(stack: str, confirm: str | None, is_unbilled: bool) -> None:
    if confirm is not None and confirm != stack:
        raise Failure(f"--confirm {confirm} is not the stack's name: nothing was deleted")
    if is_unbilled and confirm is None:
        raise AwsFailure(
            "the tables hold usage that is not billed: nothing was deleted. To bill it, leave the "
            f"stack as it is; to give it up, repeat with --confirm {stack}"
        )


@contextmanager
def _aws(region: str | None, profile: str | None) -> Iterator[boto3.session.Session]:
    """A session; what AWS refuses is said, not traced."""
    import boto3
    from botocore.exceptions import BotoCoreError, ClientError

    from marketplace_metering.deploy import DeployError

    try:
        yield boto3.session.Session(region_name=region, profile_name=profile)
    except DeployError as error:
        raise AwsFailure(str(error)) from error
    except ClientError as error:
        said = error.response.get("Error", {})
        raise AwsFailure(
            f"AWS refuses {error.operation_name}: {said.get('Code')}: {said.get('Message')}"
        ) from error
    except BotoCoreError as error:
        raise AwsFailure(f"AWS cannot be reached or used: {error}") from error


def _parameters(options: Mapping[str, str | None], others: Sequence[str]) -> dict[str, str]:
    chosen = {PARAMETERS[name]: value for name, value in options.items() if value is not None}
    for each in others:
        name, equals, value = each.partition("=")
        if not equals or not name:
            raise Failure(f"--parameter {each} refused: write it as NAME=VALUE")
        chosen[name] = value
    return chosen


def out_or_error(as_json: bool) -> Any:  # noqa: ANN401 - one of rich's consoles
    """Where words go: not among the JSON."""
    from marketplace_metering.cli.render import errors, out

    return errors if as_json else out


def _show(plan: StackPlan) -> None:
    from marketplace_metering.cli.render import errors, table

    package = plan.package
    errors.print(
        f"package: {package.size_bytes:,} bytes, boto3 {package.versions['boto3']}, in bucket "
        f"{plan.bucket}",
        soft_wrap=True,
    )
    if plan.kept_tables:
        kept = ", ".join(plan.kept_tables)
        errors.print(f"taken over from an earlier stack of this name: {kept}", soft_wrap=True)
    if plan.change_set is None:
        return
    changes = table(
        f"Changes to stack {plan.request.stack}", "action", "resource", "type", "replaced"
    )
    for change in plan.change_set.changes:
        style = "red" if change.loses_data else None
        changes.add_row(
            change.action, change.logical_id, change.kind, change.replacement or "-", style=style
        )
    errors.print(changes)
    if any(change.loses_data for change in plan.change_set.changes):
        errors.print(
            "a table leaves the stack: AWS keeps it, but nothing meters what it holds",
            style="red",
            soft_wrap=True,
        )


def _show_event(event: StackEvent) -> None:
    from marketplace_metering.cli.render import errors

    line = f"{event.at:%H:%M:%S}  {event.status:<24}  {event.logical_id}"
    errors.print(
        f"{line}  {event.reason}".rstrip(),
        markup=False,
        soft_wrap=True,
        style="red" if event.is_failure else None,
    )


def _outputs_table(stack: str, outputs: Mapping[str, str]) -> Any:  # noqa: ANN401 - a rich table
    from marketplace_metering.cli.render import table

    drawn = table(f"Stack {stack}", "output", "value")
    for name, value in sorted(outputs.items()):
        drawn.add_row(name, value)
    return drawn
