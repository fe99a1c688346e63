"""The one place that puts adapters into ports.

Each adapter is imported when it is chosen: a store in a file loads no boto3.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

from marketplace_metering.core.charter import Claim, charter_in
from marketplace_metering.core.identity import STACK_NAME
from marketplace_metering.core.policy import InvalidSettingError
from marketplace_metering.core.regions import check_region
from marketplace_metering.ports import HighWaterMark, OpenStore, Ports, Store
from marketplace_metering.settings import Settings, account_of

if TYPE_CHECKING:
    from marketplace_metering.adapters.aws.clients import AwsClient

SQLITE = "sqlite:///"
DYNAMODB = "dynamodb://"
MEMORY = ":memory:"  # has no mark: nothing of it can be restored
RECORDS_TABLE = "-MeteringRecords"  # a store named by the table of its usage records is understood


def open_store(url: str) -> OpenStore:
    """The store that a URL names; raises InvalidSettingError or StoreUnusableError."""
    if url.startswith(SQLITE) and PurePosixPath(url.removeprefix(SQLITE)).name:
        return _open_sqlite(url.removeprefix(SQLITE))
    stack = url.removeprefix(DYNAMODB).removesuffix(RECORDS_TABLE)
    if url.startswith(DYNAMODB) and STACK_NAME.fullmatch(stack):
        return _open_dynamodb(stack)
    rule = "sqlite:///file, sqlite:////absolute/file, or dynamodb://the-name-of-a-stack"
    raise InvalidSettingError("store", url, rule)


def _open_sqlite(path: str) -> OpenStore:
    from marketplace_metering.adapters.sqlite import SqliteStore
    from marketplace_metering.adapters.sqlite.corrections import SqliteCorrections
    from marketplace_metering.adapters.sqlite.mark import FileMark
    from marketplace_metering.adapters.sqlite.recovery import SqliteRecovery
    from marketplace_metering.adapters.sqlite.reports import SqliteReports

    store = SqliteStore(path)
    corrections = SqliteCorrections(store.connection, store.identities)
    mark = None if path == MEMORY else FileMark(path)
    reports, recovery = SqliteReports(store.connection), SqliteRecovery(store)
    return OpenStore(store, reports, corrections, store.close, recovery, mark)


def _open_dynamodb(stack: str) -> OpenStore:
    from marketplace_metering.adapters.aws.clients import connect
    from marketplace_metering.adapters.dynamodb import DynamoReports, DynamoStore, table_names
    from marketplace_metering.adapters.dynamodb.mark import TableMark

    client, names = connect("dynamodb"), table_names(stack)
    store, reports = DynamoStore(client, names), DynamoReports(client, names)
    mark = TableMark(client, names)
    return OpenStore(store, reports, store.corrections(), store.close, store.recovery(), mark)


def open_ports(settings: Settings, store: Store, mark: HighWaterMark | None = None) -> Ports:
    """Everything that the use cases need, for one machine and AWS (or a simulator).

    What no setting says is as the ledger says: its region, before any default.
    """
    from marketplace_metering.adapters.aws.metering_api import MarketplaceApi
    from marketplace_metering.adapters.machine import LogNotifier, SystemClock

    region, named_by = _named_region(settings)
    if region is None and (charter := charter_in(store.facts())) is not None:
        region = charter.region
    if region is not None:
        check_region(named_by or "the ledger's region", region)
    client = open_metering_client(settings, region)
    clock = SystemClock()
    marketplace = MarketplaceApi(client, clock, settings.policy.requests_per_second)
    claim = claims(settings, client, named_by)
    return Ports(store, marketplace, clock, LogNotifier(), mark, claim)


def _named_region(settings: Settings) -> tuple[str | None, str | None]:
    """The region that the caller's settings name, and which of them; None if none does."""
    from marketplace_metering.adapters.aws.clients import usual_region

    if settings.region is not None:
        return settings.region, "METERING_REGION"
    region, named_by = usual_region()
    return region, None if region is None else named_by


def open_metering_client(settings: Settings, region: str | None) -> AwsClient:
    """A client of the metering API, with the role of the seller account if one is named."""
    from marketplace_metering.adapters.aws.metering_api import connect

    if settings.role_arn is None:
        return connect(region)
    from marketplace_metering.adapters.aws.assumed_role import connect_as

    return connect_as(settings.role_arn, settings.role_external_id, region)


def claims(settings: Settings, client: AwsClient, region_from: str | None) -> Callable[[], Claim]:
    """What a caller on its own machine says of the ledger that it opens."""
    from marketplace_metering.adapters.aws.seller_account import SellerAccount

    account: Callable[[], str | None] = SellerAccount(client)
    if settings.role_arn is not None or settings.account is not None:
        account = lambda: known_account(settings)  # noqa: E731
    may_begin = not settings.store.startswith(DYNAMODB)
    return lambda: claim_of(
        settings, client.meta.region_name, account(), may_begin=may_begin, region_from=region_from
    )


def known_account(settings: Settings) -> str | None:
    """The seller account as far as the settings name it."""
    return settings.account if settings.role_arn is None else account_of(settings.role_arn)


def claim_of(
    settings: Settings,
    region: str,
    account: str | None,
    *,
    is_of_stack: bool = False,
    may_begin: bool = True,
    region_from: str | None = None,
) -> Claim:
    """What settings say of a ledger."""
    return Claim(
        region=region,
        account=account,
        window_length=settings.said.get("window_length"),
        late=settings.said.get("late"),
        late_by_product=settings.said.get("late_by_product", {}),
        grace=settings.said.get("grace"),
        retention=settings.record_retention,
        is_of_stack=is_of_stack,
        may_begin=may_begin,
        region_from=region_from,
    )
