"""One simulator behind an unmodified boto3 client, in the same process or over HTTP."""

import http.client
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any
from urllib.parse import urlsplit

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError

from marketplace_metering.simulator import FaultySimulator, MarketplaceSimulator, SimulatorClock

NOW = datetime(2026, 11, 20, 15, 30, tzinfo=UTC)
HOUR = timedelta(hours=1)
TWO_PM = datetime(2026, 11, 20, 14, 0, tzinfo=UTC)
BUYER = "111122223333"
OTHER_BUYER = "444455556666"
PRODUCT = "acmelogs0000000000000001"
OTHER_PRODUCT = "acmemaps0000000000000002"
LICENSE = "arn:aws:license-manager::999988887777:license:l-00000000000000000000000000000001"
OTHER_LICENSE = "arn:aws:license-manager::999988887777:license:l-00000000000000000000000000000002"

Body = Mapping[str, Any]
Raw = Callable[[str, bytes], tuple[int, Body]]


def make_client(**options: Any) -> Any:
    """An unmodified client that shows every answer: no retry hides one."""
    return boto3.client(
        "meteringmarketplace",
        region_name=options.pop("region_name", "us-east-1"),
        aws_access_key_id="simulated",
        aws_secret_access_key="simulated",
        config=Config(retries={"total_max_attempts": 1}, read_timeout=5),
        **options,
    )


def record(**changes: Any) -> dict[str, Any]:
    """A record that is accepted as it is; None takes a member out."""
    members: dict[str, Any] = {
        "Timestamp": TWO_PM,
        "Dimension": "api-calls",
        "Quantity": 17,
        "CustomerAWSAccountId": BUYER,
        "LicenseArn": LICENSE,
    }
    members.update(changes)
    return {name: value for name, value in members.items() if value is not None}


def legacy(**changes: Any) -> dict[str, Any]:
    """A record without a licence, for requests with a product code."""
    return record(LicenseArn=None, **changes)


def decimal(quantity: str, **changes: Any) -> dict[str, Any]:
    """A record with a decimal quantity."""
    return record(Quantity=None, QuantityAsDecimal=quantity, **changes)


def allocation(quantity: int, **tags: str) -> dict[str, Any]:
    """A bucket of whole usage."""
    bucket: dict[str, Any] = {"AllocatedUsageQuantity": quantity}
    if tags:
        bucket["Tags"] = [{"Key": key, "Value": value} for key, value in tags.items()]
    return bucket


@dataclass
class SimulatorWorld:
    """What a test sees of the simulator and can change in it."""

    client: Any
    raw: Raw
    faults: FaultySimulator
    clock: SimulatorClock

    @property
    def simulator(self) -> MarketplaceSimulator:
        return self.faults.simulator

    def restart(self) -> None:
        """The same state before every test, at a stopped clock."""
        self.simulator.reset()
        self.simulator.strict = False
        self.faults.plan()
        self.faults.injected = 0
        self.clock.set(NOW, frozen=True)

    def read_as(self, **switches: Any) -> None:
        """Turn readings, by the names of the admin API."""
        self.simulator.readings = self.simulator.readings.changed(switches)

    def send(self, *records: Body, product: str | None = None) -> Any:
        """One call; a product code makes it a product-level one."""
        identity = {} if product is None else {"ProductCode": product}
        return self.client.batch_meter_usage(UsageRecords=list(records), **identity)

    def statuses(self, *records: Body, product: str | None = None) -> list[str]:
        """The statuses of the results of one call."""
        return [each["Status"] for each in self.send(*records, product=product)["Results"]]

    def refusal(self, *records: Body, product: str | None = None) -> tuple[str, str]:
        """Code and message of a call that must fail as a whole, without any effect."""
        before = self.simulator.accepted
        with pytest.raises(ClientError) as caught:
            self.send(*records, product=product)
        assert self.simulator.accepted == before
        error: Any = caught.value.response
        expected = 500 if error["Error"]["Code"] == "InternalServiceErrorException" else 400
        assert error["ResponseMetadata"]["HTTPStatusCode"] == expected
        return error["Error"]["Code"], error["Error"]["Message"]

    def refusal_code(self, *records: Body, product: str | None = None) -> str:
        """The code of a call that must fail as a whole."""
        return self.refusal(*records, product=product)[0]

    def raw_refusal(self, body: Any, operation: str = "BatchMeterUsage") -> tuple[str, str]:
        """Code and message for a request that boto3 would not send."""
        content = body if isinstance(body, bytes) else json.dumps(body).encode()
        status, answer = self.raw(operation, content)
        assert status == 400, answer
        assert not self.simulator.accepted
        return answer["__type"], answer["message"]

    def quantities(self) -> list[Decimal]:
        """What is billed, in order of acceptance."""
        return [Decimal(each.content.quantity) / 1_000_000 for each in self.simulator.accepted]

    def declare(self, **changes: Any) -> None:
        """List the product with one dimension at two cents, and a second product."""
        dimensions = changes.pop("dimensions", {"api-calls": Decimal("0.02")})
        self.simulator.declare(PRODUCT, dimensions, **changes)
        self.simulator.declare(OTHER_PRODUCT, {"api-calls": None})

    def subscribe(self, **changes: Any) -> str:
        """Subscribe the buyer with the licence, since the first of the month."""
        terms: dict[str, Any] = {
            "product_code": PRODUCT,
            "account": BUYER,
            "license_arn": LICENSE,
            "starts_at": datetime(2026, 11, 1, tzinfo=UTC),
            "issued_at": NOW,
        }
        terms.update(changes)
        return self.simulator.subscribe(**terms).token


def post(url: str, path: str, body: bytes, headers: Mapping[str, str]) -> tuple[int, Body]:
    """A raw POST."""
    return call(url, "POST", path, body, headers)


def call(
    url: str,
    method: str,
    path: str,
    body: bytes | None = None,
    headers: Mapping[str, str] | None = None,
) -> tuple[int, Body]:
    """A raw HTTP call that expects JSON back."""
    connection = http.client.HTTPConnection(urlsplit(url).netloc, timeout=10)
    try:
        connection.request(method, path, body, dict(headers or {}))
        response = connection.getresponse()
        return response.status, json.loads(response.read())
    finally:
        connection.close()
