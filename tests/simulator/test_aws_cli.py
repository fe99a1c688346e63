"""The AWS CLI, unmodified, as a seller would try the simulator by hand."""

import json
import os
import subprocess
import sys
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from tests.simulator.world import LICENSE, NOW, TWO_PM, SimulatorWorld

AWS = Path(sys.executable).parent / "aws"


def aws(
    url: str, quantity: int, stamp: datetime = TWO_PM, account: str = "111122223333"
) -> subprocess.CompletedProcess[str]:
    """One `aws meteringmarketplace batch-meter-usage`.

    Whole quantities: the AWS CLI carries its own copy of the model, which learns new members
    (QuantityAsDecimal) later than boto3.
    """
    usage = (
        f"Timestamp={stamp.isoformat()},Dimension=api-calls,Quantity={quantity},"
        f"CustomerAWSAccountId={account},LicenseArn={LICENSE}"
    )
    environment = {
        "PATH": os.environ.get("PATH", ""),
        "AWS_ACCESS_KEY_ID": "simulated",
        "AWS_SECRET_ACCESS_KEY": "simulated",
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_ENDPOINT_URL_MARKETPLACE_METERING": url,
        "AWS_MAX_ATTEMPTS": "1",
        "AWS_CONFIG_FILE": os.devnull,
        "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
        "AWS_EC2_METADATA_DISABLED": "true",
    }
    command = [sys.executable, str(AWS), "meteringmarketplace", "batch-meter-usage"]
    return subprocess.run(
        [*command, "--usage-records", usage],
        env=environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def result_of(run: subprocess.CompletedProcess[str]) -> Any:
    assert run.returncode == 0, run.stderr
    answer = json.loads(run.stdout)
    assert answer["UnprocessedRecords"] == []
    (result,) = answer["Results"]
    return result


def test_the_aws_cli_shows_accepted_and_duplicate(far: SimulatorWorld, url: str) -> None:
    accepted = result_of(aws(url, 17))
    assert accepted["Status"] == "Success"
    assert accepted["UsageRecord"]["Quantity"] == 17
    assert accepted["MeteringRecordId"] == far.simulator.accepted[0].metering_record_id
    assert result_of(aws(url, 18))["Status"] == "DuplicateRecord"


def test_the_aws_cli_shows_not_subscribed(far: SimulatorWorld, url: str) -> None:
    assert result_of(aws(url, 1, account="1"))["Status"] == "CustomerNotSubscribed"


def test_the_aws_cli_shows_an_old_stamp(far: SimulatorWorld, url: str) -> None:
    run = aws(url, 1, stamp=NOW - timedelta(hours=24))
    assert run.returncode in (254, 255), run.stdout
    assert (
        "An error occurred (TimestampOutOfBoundsException) when calling the BatchMeterUsage"
        " operation: The timestamp at usageRecords.1.member.timestamp is 24 hours old or older"
        in run.stderr
    )


def test_the_aws_cli_shows_throttling(far: SimulatorWorld, url: str) -> None:
    far.simulator.requests_per_second = 1
    far.send()
    run = aws(url, 1)
    assert run.returncode in (254, 255), run.stdout
    assert "(ThrottlingException) when calling the BatchMeterUsage operation" in run.stderr
