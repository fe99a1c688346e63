"""Whatever a seller's program puts into the table: metered exactly, or marked with what is wrong.

The whole job runs over it, and a good usage record beside it is never held up.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from marketplace_metering.adapters.dynamodb import DynamoReports, DynamoStore, table_names
from marketplace_metering.adapters.machine import LogNotifier
from marketplace_metering.aws_lambda.app import NoMarketplace
from marketplace_metering.core.policy import Policy, Scope
from marketplace_metering.core.views import EntryFilter
from marketplace_metering.jobs.seal import seal
from marketplace_metering.ports import Ports
from marketplace_metering.proof.fake_dynamodb import Faults
from tests.support.build import BUYER, DIMENSION, LICENSE, PRODUCT
from tests.support.clock import Clock, utc
from tests.support.stand_in import StandIn

MS = int(utc("09:10").timestamp() * 1_000)
NAMES = table_names("s")
GOOD: dict[str, Any] = {
    "customerAWSAccountId": {"S": "999999999999"},
    "create_timestamp": {"N": str(MS)},
    "productCode": {"S": PRODUCT},
    "dimension": {"S": DIMENSION},
    "quantity": {"N": "5"},
    "metering_pending": {"S": "true"},
}
TEXT = st.text(st.characters(codec="utf-8", exclude_characters="\x00"), max_size=20)
NUMBER = st.one_of(
    st.integers(-(10**37), 10**37),
    st.integers(0, 10**11),
    st.decimals(-(10**12), 10**12, allow_nan=False, places=7),
).map(lambda number: {"N": str(number)})
SCALAR = st.one_of(
    TEXT.map(lambda text: {"S": text}),
    NUMBER,
    st.booleans().map(lambda yes: {"BOOL": yes}),
    st.just({"NULL": True}),
    st.binary(max_size=10).map(lambda content: {"B": content}),
    st.lists(TEXT, min_size=1, max_size=3, unique=True).map(lambda texts: {"SS": texts}),
    st.lists(st.binary(max_size=3), min_size=1, max_size=2, unique=True).map(lambda b: {"BS": b}),
    st.lists(st.integers(0, 9), min_size=1, max_size=3, unique=True).map(
        lambda numbers: {"NS": list(map(str, numbers))}
    ),
)
ATTRIBUTE = st.recursive(
    SCALAR,
    lambda inner: (
        st.lists(inner, max_size=2).map(lambda many: {"L": many})
        | st.dictionaries(TEXT, inner, max_size=2).map(lambda named: {"M": named})
    ),
    max_leaves=5,
)
TAGS = st.dictionaries(TEXT, TEXT, max_size=5).map(
    lambda tags: {"M": {key: {"S": value} for key, value in tags.items()}}
)
NEARLY: dict[str, st.SearchStrategy[dict[str, Any]]] = {
    # A key of an index: DynamoDB itself refuses any other type.
    "productCode": st.sampled_from([{"S": PRODUCT}, {"S": "prod#2"}])
    | TEXT.filter(bool).map(lambda text: {"S": text}),
    "dimension": st.just({"S": DIMENSION}) | ATTRIBUTE,
    "quantity": st.integers(0, 10**10).map(lambda n: {"N": str(n)}) | NUMBER | ATTRIBUTE,
}
MORE: dict[str, st.SearchStrategy[dict[str, Any]]] = {
    "licenseArn": st.just({"S": LICENSE}) | ATTRIBUTE,
    "tags": TAGS | ATTRIBUTE,
    "event_id": ATTRIBUTE,
    "metering_failed": ATTRIBUTE,
    "metering_response": ATTRIBUTE,
    "metering_entry": ATTRIBUTE,
    "replaces": ATTRIBUTE,
    "expires_at": ATTRIBUTE,
    "source": ATTRIBUTE,
    "note": ATTRIBUTE,
}
TIMES = st.one_of(
    st.integers(MS - 10**8, MS + 10**7), st.integers(-(10**15), 10**20), st.just(MS)
).map(lambda ms: {"N": str(ms)}) | st.decimals(MS - 10, MS + 10, places=8).map(
    lambda ms: {"N": str(ms)}
)
ITEM = st.fixed_dictionaries(
    {
        "customerAWSAccountId": st.sampled_from([{"S": BUYER}, {"S": "x#y"}])
        | TEXT.filter(bool).map(lambda text: {"S": text}),
        "create_timestamp": TIMES,
        "metering_pending": st.just({"S": "true"}),
        **NEARLY,
    },
    optional=MORE,
)


@given(ITEM)
def test_any_item_is_metered_exactly_or_marked(item: dict[str, Any]) -> None:
    client, clock = StandIn("s", Faults()), Clock(utc("12:00"))
    for each in (item, GOOD):
        client.put_item(TableName=NAMES.records, Item=each)
    store = DynamoStore(client, NAMES, now=clock.now, pause=clock.sleep, workers=1)
    ports = Ports(store, NoMarketplace(), clock, LogNotifier())
    seal(ports, Policy(), Scope.EVERYTHING)
    sealed = list(DynamoReports(client, NAMES, now=clock.now).entries(EntryFilter()))
    by_account = {view.entry.window.meter.account: view.entry.quantity for view in sealed}
    assert str(by_account.pop("999999999999")) == "5", "a good one is never held up"
    key = {name: item[name] for name in ("customerAWSAccountId", "create_timestamp")}
    stands = client.get_item(TableName=NAMES.records, Key=key)["Item"]
    if by_account:
        [(account, quantity)] = by_account.items()
        assert account == item["customerAWSAccountId"]["S"]
        assert Decimal(str(quantity)) == Decimal(item["quantity"]["N"])
        assert "metering_pending" in stands, "its mark comes with its outcome"
    else:
        assert stands["metering_failed"] == {"BOOL": True}
        assert stands["metering_response"]["S"]
        assert "metering_pending" not in stands
        names = set(item) - {"metering_failed", "metering_response", "metering_pending"}
        assert all(name in stands for name in names), "nothing is deleted"
