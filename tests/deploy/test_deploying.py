"""`metering deploy`, `template` and `destroy` against an emulator, from the command line."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import boto3
import pytest
from click.testing import CliRunner, Result

from marketplace_metering.adapters.dynamodb.items.keys import FACT
from marketplace_metering.cli import deploy as commands
from marketplace_metering.cli import template as template_command
from marketplace_metering.cli.options import FAILED, OK, USAGE
from marketplace_metering.core.charter import CHARTER, Claim, begun
from marketplace_metering.core.policy import Policy
from marketplace_metering.deploy import changes, stack, template
from marketplace_metering.deploy.package import Package
from tests.deploy import reading
from tests.deploy.conftest import Deploy
from tests.deploy.emulator import ACCOUNT, REGION, Emulator

pytestmark = pytest.mark.xdist_group("emulator")

TABLES = ("MeteringRecords", "MeteringLedger", "MeteringMark")


@pytest.fixture(autouse=True)
def _quick(aws: Emulator, monkeypatch: pytest.MonkeyPatch, package: Package) -> None:
    """The package of the session, and no pauses."""
    monkeypatch.setattr("time.sleep", lambda _seconds: _pause(0.05))
    monkeypatch.setattr(stack, "build", lambda _path: package)


_pause = time.sleep


def _run(command: Any, *arguments: str, typed: str = "") -> Result:
    return CliRunner().invoke(command, arguments, input=typed)


def _names(session: boto3.session.Session) -> set[str]:
    return set(session.client("dynamodb").list_tables()["TableNames"])


def _put(session: boto3.session.Session, name: str, **more: Any) -> None:
    item = {
        "customerAWSAccountId": {"S": "111122223333"},
        "productCode": {"S": "prod-abc123"},
        "create_timestamp": {"N": str(int(time.time() * 1_000))},
        "dimension": {"S": "users"},
        "quantity": {"N": "5"},
        **more,
    }
    session.client("dynamodb").put_item(TableName=f"{name}-MeteringRecords", Item=item)


PENDING = {"metering_pending": {"S": "true"}}
FAILED_ONE = {"metering_failed": {"BOOL": True}}


def test_a_life_from_the_first_deploy_to_the_last_table(session: boto3.session.Session) -> None:
    """Deployed, again without a change, changed, destroyed, taken up again, given up."""
    first = _run(commands.deploy, "--stack", "life", "--yes")
    assert first.exit_code == OK, first.output
    for words in ("Changes to stack life", "MeteringRecords", "CREATE_COMPLETE", "StoreUrl"):
        assert words in first.output
    assert f"in bucket life-artifacts-{ACCOUNT}-{REGION}" in first.output

    again = _run(commands.deploy, "--stack", "life", "--yes")
    assert again.exit_code == OK
    assert "stack life is already up to date" in again.output

    changed = _run(
        commands.deploy, "--stack", "life", "--yes", "-p", "RequestsPerSecond=7", "--json"
    )
    assert changed.exit_code == OK, changed.output
    assert json.loads(changed.stdout)["outputs"]["Metering"] == "on"
    assert _environment(session, "life")["METERING_REQUESTS_PER_SECOND"] == "7"

    _put(session, "life", **PENDING)
    gone = _run(commands.destroy, "--stack", "life", typed="y\n")
    assert gone.exit_code == OK, gone.output
    assert "not billed yet: 1 usage records without an outcome" in gone.output
    assert "kept: life-MeteringRecords, life-MeteringLedger, life-MeteringMark." in gone.output
    assert {f"life-{table}" for table in TABLES} <= _names(session)

    back = _run(commands.deploy, "--stack", "life", "--yes")
    assert back.exit_code == OK, back.output
    assert "taken over from an earlier stack of this name: life-MeteringRecords" in back.output

    refused = _run(commands.destroy, "--stack", "life", "--delete-tables", "--yes")
    assert refused.exit_code == FAILED
    assert "nothing was deleted" in refused.output
    assert "repeat with --confirm life" in refused.output
    assert {f"life-{table}" for table in TABLES} <= _names(session)

    last = _run(
        commands.destroy, "--stack", "life", "--delete-tables", "--confirm", "life", "--yes"
    )
    assert last.exit_code == OK, last.output
    assert not {f"life-{table}" for table in TABLES} & _names(session)


def _environment(session: boto3.session.Session, name: str) -> Mapping[str, str]:
    function = session.client("lambda").get_function_configuration(
        FunctionName=f"{name}-MeteringProcessor"
    )
    found: Mapping[str, str] = function["Environment"]["Variables"]
    return found


def test_a_dry_run_leaves_nothing_behind(session: boto3.session.Session) -> None:
    shown = _run(commands.deploy, "--stack", "dry", "--dry-run")

    assert shown.exit_code == OK, shown.output
    assert "MeteringLedger" in shown.output
    assert "nothing was changed: this was a dry run" in shown.output
    assert changes.describe_stack(session.client("cloudformation"), "dry") is None
    buckets = [each["Name"] for each in session.client("s3").list_buckets()["Buckets"]]
    assert not [name for name in buckets if name.startswith("dry-")]


def test_a_no_leaves_nothing_behind(session: boto3.session.Session) -> None:
    shown = _run(commands.deploy, "--stack", "no", typed="n\n")

    assert shown.exit_code == FAILED
    assert "nothing was changed: stack no is as it was" in shown.output
    assert changes.describe_stack(session.client("cloudformation"), "no") is None


def test_a_saas_contract_creates_nothing(session: boto3.session.Session, deploy: Deploy) -> None:
    outputs = deploy("contract", ListingType="SaaS Contract")

    assert outputs == {"Metering": "not needed: a SaaS Contract is paid upfront"}
    resources = session.client("cloudformation").describe_stack_resources(StackName="contract")
    assert resources["StackResources"] == []


@pytest.mark.parametrize("listing", ["SaaS Subscription", "SaaS Contract with Subscription"])
def test_the_other_listings_create_everything(
    session: boto3.session.Session, deploy: Deploy, listing: str
) -> None:
    name = f"all-{listing.count(' ')}"
    outputs = deploy(name, ListingType=listing)

    assert outputs["MeteringRecordsTable"] == f"{name}-MeteringRecords"
    found = session.client("cloudformation").describe_stack_resources(StackName=name)
    created = {each["LogicalResourceId"] for each in found["StackResources"]}
    assert created == set(reading.resources()) - {"EmailSubscription"}  # nobody gave an address


def test_an_update_of_parameters_keeps_tables_and_data(
    session: boto3.session.Session, deploy: Deploy
) -> None:
    deploy("kept")
    _put(session, "kept", **PENDING)
    before = [_identity(session, f"kept-{table}") for table in TABLES]

    deploy(
        "kept",
        LateUsage="hold",
        GraceSeconds="60",
        MemorySize="512",
        RecordRetentionDays="30",
        NotificationEmail="ops@example.com",
    )

    assert [_identity(session, f"kept-{table}") for table in TABLES] == before
    assert _environment(session, "kept")["METERING_RECORD_RETENTION_DAYS"] == "30"
    items = session.client("dynamodb").scan(TableName="kept-MeteringRecords")["Items"]
    assert [each["metering_pending"] for each in items] == [{"S": "true"}]


def _identity(session: boto3.session.Session, table: str) -> tuple[object, object]:
    """What another table of the same name would not share."""
    described = session.client("dynamodb").describe_table(TableName=table)["Table"]
    return described["TableId"], described["CreationDateTime"]


def test_failed_usage_is_unbilled_too(session: boto3.session.Session, deploy: Deploy) -> None:
    deploy("failed")
    _put(session, "failed", **FAILED_ONE)

    refused = _run(commands.destroy, "--stack", "failed", "--delete-tables", "--yes")

    assert refused.exit_code == FAILED
    assert "1 usage records that failed" in refused.output


def test_another_name_confirms_nothing(session: boto3.session.Session, deploy: Deploy) -> None:
    deploy("other")

    refused = _run(
        commands.destroy, "--stack", "other", "--delete-tables", "--confirm", "shop", "--yes"
    )

    assert refused.exit_code == USAGE
    assert "--confirm shop is not the stack's name: nothing was deleted" in refused.output
    assert "other-MeteringRecords" in _names(session)


def test_what_is_not_there_cannot_be_destroyed() -> None:
    refused = _run(commands.destroy, "--stack", "nowhere", "--yes")

    assert refused.exit_code == FAILED
    assert "there is no stack nowhere in this account and region" in refused.output


@pytest.mark.parametrize("name", ["1shop", "sh_op", "s" * 47])
def test_a_name_that_cannot_be_one_is_refused_before_anything_happens(name: str) -> None:
    refused = _run(commands.deploy, "--stack", name, "--yes")

    assert refused.exit_code == FAILED
    assert "a letter first, then letters, digits and hyphens, at most 46" in refused.output


def test_a_parameter_is_a_name_and_a_value() -> None:
    refused = _run(commands.deploy, "--stack", "shop", "-p", "RequestsPerSecond")

    assert refused.exit_code == USAGE
    assert "--parameter RequestsPerSecond refused: write it as NAME=VALUE" in refused.output


def test_a_parameter_that_the_template_refuses_says_so() -> None:
    refused = _run(commands.deploy, "--stack", "wrong", "-p", "LateUsage=never", "--yes")

    assert refused.exit_code == FAILED
    assert "LateUsage" in refused.output


def test_the_bucket_of_the_package_is_closed(session: boto3.session.Session) -> None:
    _run(commands.deploy, "--stack", "closed", "--yes")
    s3, name = session.client("s3"), f"closed-artifacts-{ACCOUNT}-{REGION}"

    blocked = s3.get_public_access_block(Bucket=name)["PublicAccessBlockConfiguration"]
    assert all(blocked.values()) and len(blocked) == 4
    rules = s3.get_bucket_encryption(Bucket=name)["ServerSideEncryptionConfiguration"]["Rules"]
    assert rules[0]["ApplyServerSideEncryptionByDefault"]["SSEAlgorithm"] == "AES256"
    (statement,) = json.loads(s3.get_bucket_policy(Bucket=name)["Policy"])["Statement"]
    assert statement["Effect"] == "Deny"
    assert statement["Condition"] == {"Bool": {"aws:SecureTransport": "false"}}


def test_the_plain_aws_cli_route(
    aws: Emulator, session: boto3.session.Session, tmp_path: Path
) -> None:
    """`aws cloudformation package` and `deploy`, as docs/deploy.md says."""
    session.client("s3").create_bucket(Bucket="plain-route")
    written = _run(template_command.template, "--output", str(tmp_path))
    assert written.exit_code == OK, written.output
    packaged = tmp_path / "packaged.yaml"

    _aws(
        aws,
        "package",
        "--template-file",
        tmp_path / "template.yaml",
        "--s3-bucket",
        "plain-route",
        "--output-template-file",
        packaged,
    )
    _aws(
        aws,
        "deploy",
        "--template-file",
        packaged,
        "--stack-name",
        "plain",
        "--capabilities",
        "CAPABILITY_IAM",
        "--parameter-overrides",
        "LateUsage=hold",
    )

    assert stack.outputs(session, "plain")["Metering"] == "on"
    assert _environment(session, "plain")["METERING_LATE"] == "hold"


def _aws(aws: Emulator, *arguments: object) -> None:
    program = Path(sys.executable).parent / "aws"
    command = [str(program), "cloudformation", *map(str, arguments)]
    environment = {**aws.environment, "PATH": str(program.parent)}
    done = subprocess.run(command, capture_output=True, text=True, env=environment)
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_template_is_printed_as_it_is() -> None:
    assert _run(template_command.template).output == template.read()


def test_a_region_that_is_not_the_ledgers_is_refused(session: boto3.session.Session) -> None:
    _run(commands.deploy, "--stack", "placed", "--yes")
    charter = begun(Claim(region="us-east-1"), Policy())
    item = {"pk": {"S": FACT}, "sk": {"S": CHARTER}, "value": {"S": str(charter)}}
    session.client("dynamodb").put_item(TableName="placed-MeteringLedger", Item=item)

    moved = ("--stack", "placed", "--yes", "--metering-region", "eu-west-1")
    refused = _run(commands.deploy, *moved)
    assert refused.exit_code == FAILED
    assert "says eu-west-1, the ledger of stack placed says us-east-1" in refused.output
    assert "metering ledger set region eu-west-1 --store dynamodb://placed" in refused.output

    item["value"] = {"S": str(replace(charter, region="eu-west-1"))}
    session.client("dynamodb").put_item(TableName="placed-MeteringLedger", Item=item)
    assert _run(commands.deploy, *moved).exit_code == OK
