"""Deploying the stack: package, upload, change set, approval, progress, outputs.

The AWS settings are the usual ones, AWS_ENDPOINT_URL included, so that the same code deploys to an
emulator.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import timedelta
from pathlib import Path

import boto3
from botocore.exceptions import ClientError

from marketplace_metering.adapters.aws.clients import AwsClient, connect
from marketplace_metering.adapters.dynamodb.api.requests import Calls
from marketplace_metering.adapters.dynamodb.items import fact
from marketplace_metering.adapters.dynamodb.items.tables import table_names
from marketplace_metering.core.charter import Charter, charter_in
from marketplace_metering.core.identity import STACK_NAME
from marketplace_metering.core.policy import InvalidSettingError, Policy
from marketplace_metering.core.regions import check_region
from marketplace_metering.deploy import DeployError, bucket, changes, progress, template
from marketplace_metering.deploy.changes import ChangeSet
from marketplace_metering.deploy.package import Package, build
from marketplace_metering.deploy.progress import StackEvent

POLL_S = 2.0
FUNCTIONS = ("MeteringJob", "MeteringProcessor")


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """What is to be deployed; parameters that are not named keep their values or defaults."""

    stack: str
    parameters: Mapping[str, str] = field(default_factory=dict)
    bucket: str | None = None
    is_dry_run: bool = False  # upload nothing; the change set can then be looked at, not applied
    poll_s: float = POLL_S

    def __post_init__(self) -> None:
        check_name(self.stack)


@dataclass(frozen=True, slots=True)
class StackPlan:
    """Everything that is ready to be applied."""

    request: Request
    bucket: str
    package: Package
    kept_tables: tuple[str, ...]  # of an earlier stack of this name: taken over
    change_set: ChangeSet | None  # None: the stack is already up to date


def check_name(stack: str) -> None:
    """Refuse what CloudFormation or the names made from it would refuse later."""
    if not STACK_NAME.fullmatch(stack):
        raise DeployError(
            f"stack name {stack} refused: a letter first, then letters, digits and hyphens, at "
            "most 46, because the names of tables and functions begin with it"
        )


def prepare(
    session: boto3.session.Session, request: Request, package: Package | None = None
) -> StackPlan:
    """Package, upload and ask CloudFormation what it would do. Nothing runs differently yet."""
    _check_ledger(session, request)
    with tempfile.TemporaryDirectory() as folder:
        built = package or build(Path(folder) / template.PACKAGE_FILE)
        identity = session.client("sts").get_caller_identity()
        account, partition = identity["Account"], identity["Arn"].split(":")[1]
        region = session.region_name
        if region is None:
            raise DeployError("no region: set AWS_REGION or name one with --region")
        name = request.bucket or bucket.default_name(request.stack, account, region)
        if not request.is_dry_run:
            s3 = session.client("s3")
            if request.bucket is None:
                bucket.ensure(s3, name, account, region, partition)
            bucket.upload(s3, name, account, built)
    cloudformation = session.client("cloudformation")
    kept = _kept_tables(session, request.stack)
    tags = {"marketplace-metering": request.stack}
    if product := request.parameters.get("ProductCode"):
        tags["marketplace-product-code"] = product
    change_set = changes.create(
        cloudformation,
        request.stack,
        template.for_stack(request.stack, name, bucket.key_of(built)),
        request.parameters,
        tags,
        kept,
        request.poll_s,
    )
    return StackPlan(request, name, built, kept, change_set)


def discard(session: boto3.session.Session, plan: StackPlan) -> None:
    """Leave the stack as it is."""
    if plan.change_set is not None:
        changes.discard(session.client("cloudformation"), plan.change_set)


def apply(
    session: boto3.session.Session, plan: StackPlan, on_event: Callable[[StackEvent], None]
) -> None:
    """Apply the changes and follow them to their end."""
    assert plan.change_set is not None and not plan.request.is_dry_run, "nothing can be applied"
    cloudformation = session.client("cloudformation")
    stack = plan.request.stack
    seen = progress.seen_so_far(cloudformation, stack)
    cloudformation.execute_change_set(ChangeSetName=plan.change_set.arn)
    status, failures = progress.follow(cloudformation, stack, seen, on_event, plan.request.poll_s)
    if status not in ("CREATE_COMPLETE", "UPDATE_COMPLETE", "IMPORT_COMPLETE"):
        raise DeployError(f"stack {stack} ended as {status}: {progress.causes(failures)}")


def check_code(session: boto3.session.Session, plan: StackPlan) -> None:
    """That the functions run the package that was built here; raises DeployError."""
    functions = session.client("lambda")
    for function in FUNCTIONS:
        name = f"{plan.request.stack}-{function}"
        try:
            runs = functions.get_function_configuration(FunctionName=name)["CodeSha256"]
        except ClientError as error:
            if error.response["Error"]["Code"] == "ResourceNotFoundException":
                continue  # a product that needs no metering has none
            raise
        if runs != plan.package.code_sha256:
            raise DeployError(
                f"{name} runs another package than the one that was built here: its CodeSha256 is "
                f"{runs}, the package's {plan.package.code_sha256}. Does something else deploy "
                "this stack, or change its functions or its bucket? Find out what, then deploy "
                "again"
            )


def outputs(session: boto3.session.Session, stack: str) -> Mapping[str, str]:
    """The outputs of a stack; none if there is no stack."""
    described = changes.describe_stack(session.client("cloudformation"), stack) or {}
    return {each["OutputKey"]: each["OutputValue"] for each in described.get("Outputs", ())}


def existing_tables(session: boto3.session.Session, stack: str) -> tuple[str, ...]:
    """The tables of this stack that exist, whether the stack does or not."""
    dynamodb = session.client("dynamodb")
    return tuple(name for name in table_names(stack) if _exists(dynamodb, name))


def _kept_tables(session: boto3.session.Session, stack: str) -> tuple[str, ...]:
    found = changes.describe_stack(session.client("cloudformation"), stack)
    if found is not None and found["StackStatus"] != changes.IN_REVIEW:
        return ()
    return existing_tables(session, stack)


def _check_ledger(session: boto3.session.Session, request: Request) -> None:
    """Refuse what AWS or the ledger would not take: the functions would stand still."""
    wanted, grace = (request.parameters.get(name) for name in ("MeteringRegion", "GraceSeconds"))
    if wanted is not None:
        try:
            check_region("MeteringRegion", wanted)
        except InvalidSettingError as error:
            raise DeployError(str(error)) from error
    ledger = table_names(request.stack).ledger
    if (wanted is None and grace is None) or not _exists(session.client("dynamodb"), ledger):
        return
    calls = Calls(connect("dynamodb", session=session))
    charter = charter_in(fact.facts(calls, ledger))
    if charter is None:
        return
    if grace is not None and grace.isdigit():
        _check_grace(charter, timedelta(seconds=int(grace)))
    if wanted is not None and charter.region != wanted:
        raise DeployError(
            f"region: this deployment says {wanted}, the ledger of stack {request.stack} says "
            f"{charter.region}. Nothing was changed. To move the ledger, first: metering ledger "
            f"set region {wanted} --store dynamodb://{request.stack}"
        )


def _check_grace(charter: Charter, grace: timedelta) -> None:
    try:
        replace(charter, grace=grace).applied_to(Policy())
    except InvalidSettingError as error:
        raise DeployError(f"{error}. Nothing was changed") from error


def _exists(dynamodb: AwsClient, table: str) -> bool:
    try:
        dynamodb.describe_table(TableName=table)
    except ClientError as error:
        if error.response["Error"]["Code"] == "ResourceNotFoundException":
            return False
        raise
    return True
