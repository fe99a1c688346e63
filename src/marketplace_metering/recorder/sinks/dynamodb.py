"""The guide's table as a destination: conditional puts, and no permission but PutItem.

[P5] PutItem with ReturnValuesOnConditionCheckFailure=ALL_OLD answers a failed condition
with the item that is there. It is a part of PutItem's own answer, consumes no read capacity, and
is no GetItem.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Any
from urllib.parse import parse_qs, urlsplit
from zlib import crc32

from marketplace_metering.core.event import event_clash, next_place
from marketplace_metering.core.record import Problem, UsageRecord
from marketplace_metering.core.record_rules import PENDING, SHARDS, SHARDS_MAX
from marketplace_metering.recorder.errors import RecorderSettingError
from marketplace_metering.recorder.place import Place
from marketplace_metering.recorder.segments import SUM
from marketplace_metering.recorder.sinks.port import Delivered
from marketplace_metering.recorder.sinks.table_account import TableAccount

SCHEME = "dynamodb://"
SUFFIX = "-MeteringRecords"  # the guide's name of the table, after the stack's
OPTIONS = {"region", "account", "pending_shards"}
ACCOUNT = re.compile("[0-9]{12}")
PUTS_AT_ONCE = 8
PLACES_MAX = 10_000  # looked at for one event; a second has a thousand million


class DynamoDBSink:
    """The table `<StackName>-MeteringRecords`; see `Sink`.

    `client` may be a boto3 client of your own; without one it is made at the first put, from the
    usual AWS settings. `account` is the table's, where the network forbids to ask AWS STS for it.
    `pending_shards` spreads pending usage over so many partitions of its index,
    for tables that take more than about 1,000 usage records a second (docs/scale.md).
    """

    def __init__(
        self,
        table: str,
        *,
        region: str | None = None,
        account: str | None = None,
        client: object = None,
        pending_shards: int = 0,
    ) -> None:
        if account is not None and not ACCOUNT.fullmatch(account):
            raise RecorderSettingError(f"account {account!r} refused: must be 12 digits, as text")
        if not 0 <= pending_shards <= SHARDS_MAX:
            raise RecorderSettingError(
                f"pending_shards {pending_shards} refused: must be 0, or 1 to {SHARDS_MAX}"
            )
        self._table = table
        self._pending = SHARDS[:pending_shards] or (PENDING,)
        self._region = region
        self._named_account = account
        self._given = client
        self._client: Any = client
        self._account: TableAccount | None = None  # of the client

    @property
    def name(self) -> str:
        """The table."""
        return f"{SCHEME}{self._table}" + (f"?region={self._region}" if self._region else "")

    def place(self) -> Place:
        """The client's region, and the account of its credentials."""
        self._connect()
        if self._account is None:
            self._account = TableAccount(self._client, self._named_account)
        meta = getattr(self._client, "meta", None)
        return Place(getattr(meta, "region_name", None) or self._region, self._account())

    @classmethod
    def of_url(cls, url: str) -> DynamoDBSink:
        """The table of `dynamodb://STACK` or `dynamodb://STACK?region=us-east-1`.

        A table's own name is understood as well, if it ends as the guide's does.
        """
        parts = urlsplit(url)
        query = parse_qs(parts.query, strict_parsing=bool(parts.query))
        stack = url.removeprefix(SCHEME).split("?")[0].strip("/").removesuffix(SUFFIX)
        shards = query.get("pending_shards", ["0"])[0]
        if not stack or set(query) - OPTIONS or not shards.isdecimal():
            raise RecorderSettingError(
                f"{url!r} names no stack: give dynamodb://STACK or dynamodb://STACK?region=REGION, "
                "such as dynamodb://my-stack for its table my-stack-MeteringRecords; "
                "pending_shards=NUMBER spreads it over shards, account=NUMBER names its account"
            )
        return cls(
            stack + SUFFIX,
            region=query.get("region", [None])[0],
            account=query.get("account", [None])[0],
            pending_shards=int(shards),
        )

    def put(self, records: Sequence[UsageRecord]) -> Delivered:
        """Put each of them, several at once; those of one event id one after the other."""
        round_ = _Round()
        try:
            self._connect()
        except Exception as error:  # noqa: BLE001 - AWS's set-up may raise anything: usage waits
            return Delivered(records, reason_of(error))
        lanes: list[list[UsageRecord]] = [[] for _ in range(PUTS_AT_ONCE)]
        for record in records:
            lanes[crc32(_id_of(record).encode()) % PUTS_AT_ONCE].append(record)
        in_threads([partial(self._put_lane, lane, round_) for lane in lanes if lane])
        return round_.result(records)

    def _put_lane(self, lane: list[UsageRecord], round_: _Round) -> None:
        for record in lane:
            if round_.is_over:
                return
            try:
                round_.answer(record, self._put(record))
            except Exception as error:  # noqa: BLE001 - usage waits after any error
                round_.fail(error)

    def _put(self, record: UsageRecord) -> Problem | bool:
        """Whether it was added now, or what is wrong with it."""
        # It is the item of the store; who only records pays for it at the first put.
        from botocore.exceptions import ClientError

        from marketplace_metering.adapters.dynamodb.items.usage_record import events_at, item_of

        event_id = _id_of(record)
        pending = self._pending[crc32(event_id.encode()) % len(self._pending)]
        the_place_is_free = "attribute_not_exists(customerAWSAccountId)"
        for place_ns in _places(record):
            try:
                self._client.put_item(
                    TableName=self._table,
                    Item=item_of(record, place_ns, pending=pending),
                    ConditionExpression=the_place_is_free,
                    ReturnValuesOnConditionCheckFailure="ALL_OLD",
                )
            except ClientError as error:
                if error.response["Error"]["Code"] != "ConditionalCheckFailedException":
                    raise
                there: Any = error.response.get("Item")
                if there is None:
                    raise UnknownPlaceError from error
                recorded = events_at(there, place_ns).get(event_id)
                if recorded is not None:
                    # A sum's id is our own: it is this very sum, corrected or not.
                    is_sum = event_id.startswith(SUM)
                    return False if is_sum else event_clash(record, recorded) or False
            else:
                return True
        raise CrowdedSecondError

    def _connect(self) -> None:
        if self._client is None:
            from marketplace_metering.adapters.aws.clients import connect, open_session

            self._client = connect(
                "dynamodb",
                region=self._region,
                session=open_session(),  # of this thread: the application has its own
                connect_timeout=3,
                read_timeout=5,
                max_pool_connections=PUTS_AT_ONCE,
                retries={"mode": "standard", "total_max_attempts": 3},
            )

    def close(self) -> None:
        """Give connections back."""
        if self._given is None and self._client is not None:
            self._client.close()
            self._client = self._account = None

    def abandon(self) -> None:
        """In a fork: new connections, the old ones are the parent's."""
        self._client, self._account = self._given, None


class UnknownPlaceError(Exception):
    """The table did not say what stands at a place that is taken."""

    def __str__(self) -> str:
        return (
            "the table does not return the item of a failed condition: "
            "ReturnValuesOnConditionCheckFailure must reach DynamoDB (boto3 1.28 or newer)"
        )


class CrowdedSecondError(Exception):
    """Too many other events stand where an event belongs."""

    def __str__(self) -> str:
        return f"{PLACES_MAX} places of one buyer's second are taken: give events their own times"


class _Round:
    """One go at a batch by several threads; an error that concerns all ends it."""

    def __init__(self) -> None:
        self.is_over = False
        self._delivered = Delivered()
        self._answered: set[int] = set()
        self._lock = threading.Lock()

    def answer(self, record: UsageRecord, found: Problem | bool) -> None:
        """Note what became of a usage record."""
        with self._lock:
            self._answered.add(id(record))
            if isinstance(found, Problem):
                self._delivered.clashes.append((record, found))
            elif found:
                self._delivered.added += 1
            else:
                self._delivered.already_there += 1

    def fail(self, error: Exception) -> None:
        """Note what kept a usage record from being put."""
        with self._lock:
            self._delivered.reason = reason_of(error)
            self.is_over = self.is_over or not _concerns_one(error)

    def result(self, records: Sequence[UsageRecord]) -> Delivered:
        """The result for all of them. Those without an answer, for any reason, are left."""
        self._delivered.left = [each for each in records if id(each) not in self._answered]
        return self._delivered


def _concerns_one(error: Exception) -> bool:
    if isinstance(error, CrowdedSecondError):
        return True
    response = getattr(error, "response", None)  # None for errors of the connection
    return isinstance(response, dict) and response["Error"]["Code"] == "ValidationException"


def reason_of(error: Exception) -> str:
    """What went wrong, in a line for the log; what could be a secret is taken out."""
    from marketplace_metering.recorder.log import without_secrets

    return without_secrets(f"{type(error).__name__}: {error}")


def _places(record: UsageRecord) -> Iterator[int]:
    place_ns = record.created_ns
    for _ in range(PLACES_MAX):
        yield place_ns
        place_ns = next_place(place_ns)


def _id_of(record: UsageRecord) -> str:
    assert record.event_id is not None, "every usage record of the recorder has an id"
    return record.event_id


def in_threads(jobs: Sequence[Callable[[], None]]) -> None:
    """Do all of them, at the same time where threads can be had: at exit they cannot."""
    threads = []
    alone = list(jobs[:1])
    for job in jobs[1:]:
        thread = threading.Thread(target=job, name="metering-recorder-put", daemon=True)
        try:
            thread.start()
        except RuntimeError:
            alone.append(job)
        else:
            threads.append(thread)
    for job in alone:
        job()
    for thread in threads:
        thread.join()
