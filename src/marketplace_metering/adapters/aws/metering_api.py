"""AWS's metering API through boto3.

Each call is one HTTP request: botocore's own retries are off, because a retry that is throttled
after a first try that timed out would report "certainly not processed" of usage that may be billed
(money rule 6). Trying again is the submitter's business.
"""

from __future__ import annotations

import sys
from datetime import timedelta
from email.utils import parsedate_to_datetime
from typing import Any

import boto3
from botocore.exceptions import ClientError

from marketplace_metering.adapters.aws import clients
from marketplace_metering.adapters.aws.clients import ONE_REQUEST, AwsClient
from marketplace_metering.adapters.aws.failed_calls import is_of_another_call, read_failure
from marketplace_metering.core.batch import Batch
from marketplace_metering.core.hours import EPOCH
from marketplace_metering.core.ledger import EntryKey
from marketplace_metering.core.outcome import Answered, Lost, RequestRefused, read_error
from marketplace_metering.core.wire import read_response, request
from marketplace_metering.ports import Clock

READ_TIMEOUT_S = 30
# [Q14] de-duplication is per region, so all usage of a product goes to one region.
REGION_DEFAULT = "us-east-1"


class OldModelError(Exception):
    """The installed botocore does not know the members that metering needs."""


class RetryingClientError(Exception):
    """The client retries by itself, which would hide what became of an attempt."""


class MarketplaceApi:
    """See `ports.Marketplace`.

    Raises OldModelError if botocore is too old, RetryingClientError if the client retries.
    """

    def __init__(self, client: AwsClient, clock: Clock, requests_per_second: float) -> None:
        self._client = client
        self._clock = clock
        self._interval = timedelta(seconds=1 / requests_per_second)
        self._next_turn = EPOCH
        if (client.meta.config.retries or {}).get("total_max_attempts") != 1:
            raise RetryingClientError("one attempt must be one request: total_max_attempts = 1")
        members = client.meta.service_model.shape_for("UsageRecord").members
        missing = {"QuantityAsDecimal", "LicenseArn", "CustomerAWSAccountId"} - set(members)
        if missing:
            raise OldModelError(
                f"botocore's meteringmarketplace model lacks {', '.join(sorted(missing))}: "
                "install boto3 1.44.2 or newer"
            )

    def take_turn(self) -> None:
        """Space requests evenly, so that no second ever sees more than the setting."""
        wait = self._next_turn - self._clock.now()
        if timedelta(0) < wait <= self._interval:  # a longer one: the clock was set back
            self._clock.sleep(wait.total_seconds())
        self._next_turn = self._clock.now() + self._interval

    def submit(self, batch: Batch) -> Answered[EntryKey] | RequestRefused | Lost:
        """One `BatchMeterUsage` request."""
        parameters, handled_before = request(batch.entries), sys.exception()
        try:
            response = self._client.batch_meter_usage(**parameters)
        except Exception as error:  # noqa: BLE001 - botocore's parser raises anything on odd bodies
            if not isinstance(error, ClientError) or is_of_another_call(error):
                return read_failure(error, handled_before)
            said = error.response.get("Error", {})
            about = error.response.get("ResponseMetadata", {})
            ahead = self._clock_ahead(about.get("HTTPHeaders", {}).get("date", ""))
            status = about.get("HTTPStatusCode", 0)
            return read_error(said.get("Code", ""), status, said.get("Message", ""), ahead)
        return read_response(batch.entries, response)

    def _clock_ahead(self, date: str) -> timedelta:
        """By how much this machine's clock is ahead of an answer's `Date`; 0 if it has none."""
        try:
            answered_at = parsedate_to_datetime(date)
        except (ValueError, TypeError, IndexError, OverflowError):
            return timedelta(0)
        if answered_at.tzinfo is None:  # "-0000": not the time of any place
            return timedelta(0)
        return self._clock.now() - answered_at


def connect(
    region: str | None = None,
    session: boto3.session.Session | None = None,
    **more: Any,  # noqa: ANN401 - as `clients.connect`
) -> AwsClient:
    """A client of the metering API for which one attempt is one request; see `clients.connect`."""
    session = session or clients.open_session()
    return clients.connect(
        "meteringmarketplace",
        region=region or session.region_name or REGION_DEFAULT,
        session=session,
        **{"retries": ONE_REQUEST, "read_timeout": READ_TIMEOUT_S, **more},
    )
