"""The stand-in for DynamoDB knows how large things may be, as the emulator does.

Where the emulator does not know a rule, the test says so: then AWS's own pages are the source
(docs/aws-rules.md).
"""

from __future__ import annotations

from itertools import count
from typing import Any

import pytest
from botocore.exceptions import ClientError

from marketplace_metering.adapters.dynamodb import TableNames, create_tables, table_names
from marketplace_metering.proof.fake_dynamodb import Faults
from marketplace_metering.proof.fake_dynamodb.limits import ITEM_BYTES, size_of
from tests.contract.conftest import EMULATED
from tests.support.stand_in import StandIn

Tables = tuple[Any, TableNames]
ONLY_AWS = ["dynamodb-fake"]  # what the emulator does not know
_prefixes = (f"limits-{number}" for number in count())


@pytest.fixture(params=["dynamodb-fake", EMULATED])
def tables(request: pytest.FixtureRequest) -> Tables:
    """A client, and two empty tables."""
    prefix = next(_prefixes)
    if request.param == "dynamodb-fake":
        return StandIn(prefix, Faults()), table_names(prefix)
    client = request.getfixturevalue("emulated_dynamodb")
    return client, create_tables(client, prefix)


def item_of(size: int, sk: str = "1", **more: Any) -> dict[str, Any]:
    """An item of the ledger table with exactly so many bytes."""
    item = {"pk": {"S": "p"}, "sk": {"S": sk}, **more, "filling": {"S": ""}}
    item["filling"] = {"S": "x" * (size - size_of(item))}
    return item


def key_of(sk: str = "1") -> dict[str, Any]:
    return {"pk": {"S": "p"}, "sk": {"S": sk}}


def refused(call: Any, **parameters: Any) -> tuple[str, str]:
    """The code and the words of a refusal."""
    with pytest.raises(ClientError) as error:
        call(**parameters)
    said = error.value.response["Error"]
    return said["Code"], said["Message"]


VALUES: dict[str, Any] = {
    "text": {"S": "häufig"},
    "binary": {"B": b"12345"},
    "empty": {"S": ""},
    "nothing": {"NULL": True},
    "yes": {"BOOL": True},
    "map": {"M": {"one": {"N": "1"}, "two": {"L": [{"S": "x"}, {"NULL": True}]}}},
    "names": {"SS": ["a", "bc"]},
    "numbers": {"NS": ["1", "-2.5"]},
}


@pytest.mark.parametrize(
    "attribute",
    [
        *VALUES.values(),
        *({"N": digits} for digits in ("0", "7", "-7", "1230", "12.3", "1.2", "0.000001", "1e20")),
        {"N": "12345678901234567890123456789012345678"},
    ],
    ids=str,
)
def test_an_item_has_400_kb_and_not_a_byte_more(tables: Tables, attribute: Any) -> None:
    """Names and values of each kind count as the emulator counts them."""
    client, names = tables
    client.put_item(TableName=names.ledger, Item=item_of(ITEM_BYTES, own=attribute))
    code, words = refused(
        client.put_item, TableName=names.ledger, Item=item_of(ITEM_BYTES + 1, own=attribute)
    )
    assert (code, words) == (
        "ValidationException",
        "Item size has exceeded the maximum allowed size",
    )


def test_an_update_leaves_no_item_larger_than_that(tables: Tables) -> None:
    client, names = tables
    client.put_item(TableName=names.ledger, Item=item_of(ITEM_BYTES - 5))
    update = {
        "TableName": names.ledger,
        "Key": key_of(),
        "UpdateExpression": "SET more = :more",
        "ExpressionAttributeValues": {":more": {"S": "xx"}},
    }
    words = "Item size to update has exceeded the maximum allowed size"
    code, _said = refused(client.update_item, **update)
    assert code == "ValidationException"  # the emulator has other words for this call
    said = client.batch_execute_statement(
        Statements=[
            {
                "Statement": f'UPDATE "{names.ledger}" SET "more"=? WHERE "pk"=? AND "sk"=?',
                "Parameters": [{"S": "xx"}, {"S": "p"}, {"S": "1"}],
            }
        ]
    )
    assert said["Responses"][0]["Error"] == {"Code": "ValidationError", "Message": words}
    with pytest.raises(ClientError) as error:
        client.transact_write_items(TransactItems=[{"Update": update}])
    reasons = error.value.response["CancellationReasons"]
    assert [(each["Code"], each["Message"]) for each in reasons] == [("ValidationError", words)]


def test_one_item_too_large_refuses_the_request_that_it_is_in(tables: Tables) -> None:
    client, names = tables
    good, bad = item_of(100), item_of(ITEM_BYTES + 1, "2")
    words = "Item size has exceeded the maximum allowed size"
    puts = [{"Put": {"TableName": names.ledger, "Item": each}} for each in (good, bad)]
    assert refused(client.transact_write_items, TransactItems=puts) == (
        "ValidationException",
        words,
    )
    assert "Item" not in client.get_item(TableName=names.ledger, Key=key_of())


@pytest.mark.parametrize("tables", ONLY_AWS, indirect=True)
def test_one_item_too_large_refuses_the_batch_that_it_is_in(tables: Tables) -> None:
    client, names = tables
    puts = [{"PutRequest": {"Item": each}} for each in (item_of(100), item_of(ITEM_BYTES + 1, "2"))]
    code, _words = refused(client.batch_write_item, RequestItems={names.ledger: puts})
    assert code == "ValidationException"
    assert "Item" not in client.get_item(TableName=names.ledger, Key=key_of())


def test_a_statement_names_its_own_item_that_is_too_large(tables: Tables) -> None:
    client, names = tables
    statements = [
        {
            "Statement": f"INSERT INTO \"{names.ledger}\" VALUE {{'pk': ?, 'sk': ?, 'filling': ?}}",
            "Parameters": list(each.values()),
        }
        for each in (item_of(100), item_of(ITEM_BYTES + 1, "2"), item_of(100, "3"))
    ]
    said = client.batch_execute_statement(Statements=statements)["Responses"]
    codes = [each.get("Error", {}).get("Code") for each in said]
    assert codes == [None, "ValidationError", None]


@pytest.mark.parametrize("tables", ONLY_AWS, indirect=True)
def test_one_long_statement_refuses_all_of_its_request(tables: Tables) -> None:
    """The limit of the API's own model: nothing of the request is looked at."""
    client, names = tables
    names_of_attributes = ", ".join(f"'{number:030d}': ?" for number in range(300))
    long = {
        "Statement": f"INSERT INTO \"{names.ledger}\" VALUE {{'pk': ?, {names_of_attributes}}}",
        "Parameters": [],
    }
    short = {
        "Statement": f"INSERT INTO \"{names.ledger}\" VALUE {{'pk': ?, 'sk': ?}}",
        "Parameters": [{"S": "p"}, {"S": "1"}],
    }
    code, words = refused(client.batch_execute_statement, Statements=[short, long])
    assert code == "ValidationException"
    assert "less than or equal to 8192" in words
    assert "Item" not in client.get_item(TableName=names.ledger, Key=key_of())


def test_a_transaction_has_four_megabytes(tables: Tables) -> None:
    client, names = tables

    def puts(size: int) -> list[dict[str, Any]]:
        items = (item_of(size, f"{size} {number}") for number in range(12))
        return [{"Put": {"TableName": names.ledger, "Item": item}} for item in items]

    client.transact_write_items(TransactItems=puts(340_000))
    code, _words = refused(client.transact_write_items, TransactItems=puts(355_000))
    assert code == "ValidationException"


@pytest.mark.parametrize(
    ("operation", "most"), [("transact", 100), ("write", 25), ("statements", 25), ("get", 100)]
)
def test_a_request_has_so_many_parts(tables: Tables, operation: str, most: int) -> None:
    client, names = tables

    def ask(number: int) -> Any:
        items = [key_of(f"{operation} {each}") for each in range(number)]
        match operation:
            case "transact":
                puts = [{"Put": {"TableName": names.ledger, "Item": item}} for item in items]
                return client.transact_write_items(TransactItems=puts)
            case "write":
                batch = [{"PutRequest": {"Item": item}} for item in items]
                return client.batch_write_item(RequestItems={names.ledger: batch})
            case "get":
                return client.batch_get_item(RequestItems={names.ledger: {"Keys": items}})
            case _:
                words = f"INSERT INTO \"{names.ledger}\" VALUE {{'pk': ?, 'sk': ?}}"
                return client.batch_execute_statement(
                    Statements=[
                        {"Statement": words, "Parameters": list(item.values())} for item in items
                    ]
                )

    ask(most)
    code, _words = refused(ask, number=most + 1)
    assert code == "ValidationException"


@pytest.mark.parametrize(("name", "most"), [("pk", 2_048), ("sk", 1_024)])
def test_keys_have_their_lengths(tables: Tables, name: str, most: int) -> None:
    client, names = tables
    client.put_item(TableName=names.ledger, Item={**key_of(), name: {"S": "k" * most}})
    for bad in ("k" * (most + 1), ""):
        key = {**key_of(), name: {"S": bad}}
        code, _words = refused(client.put_item, TableName=names.ledger, Item=key)
        assert code == "ValidationException"


@pytest.mark.parametrize("tables", ONLY_AWS, indirect=True)
def test_one_long_key_refuses_the_reading_of_all(tables: Tables) -> None:
    client, names = tables
    keys = [key_of(), key_of("k" * 1_025)]
    code, _words = refused(client.batch_get_item, RequestItems={names.ledger: {"Keys": keys}})
    assert code == "ValidationException"


def test_the_key_of_an_index_has_its_type_and_is_not_empty(tables: Tables) -> None:
    client, names = tables
    for bad in ({"BOOL": True}, {"S": ""}):
        code, _words = refused(
            client.put_item, TableName=names.ledger, Item={**key_of(), "outbox": bad}
        )
        assert code == "ValidationException"


@pytest.mark.parametrize("tables", ONLY_AWS, indirect=True)
def test_the_key_of_an_index_has_its_length(tables: Tables) -> None:
    client, names = tables
    code, _words = refused(
        client.put_item, TableName=names.ledger, Item={**key_of(), "outbox": {"S": "k" * 2_049}}
    )
    assert code == "ValidationException"


def test_an_expression_has_four_kilobytes(tables: Tables) -> None:
    client, names = tables
    condition = " AND ".join(["attribute_not_exists(pk)"] * 200)
    code, _words = refused(
        client.put_item, TableName=names.ledger, Item=key_of(), ConditionExpression=condition
    )
    assert code == "ValidationException"


def test_a_page_has_a_megabyte(tables: Tables) -> None:
    client, names = tables
    for number in range(4):
        client.put_item(TableName=names.ledger, Item=item_of(300_000, str(number)))
    answer = client.query(
        TableName=names.ledger,
        KeyConditionExpression="pk = :pk",
        ExpressionAttributeValues={":pk": {"S": "p"}},
    )
    assert [item["sk"]["S"] for item in answer["Items"]] == ["0", "1", "2"]
    assert "LastEvaluatedKey" in answer
