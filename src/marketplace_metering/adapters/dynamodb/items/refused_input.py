"""Input that is no usage record: kept in the ledger table with what is wrong with it (rule 11)."""

from __future__ import annotations

import hashlib
import json
import zlib
from collections.abc import Sequence
from dataclasses import asdict
from datetime import datetime
from itertools import count
from typing import Any

from marketplace_metering.adapters.dynamodb.api.attributes import Attributes, number, text
from marketplace_metering.adapters.dynamodb.api.requests import Calls, StoreError, portions
from marketplace_metering.adapters.dynamodb.items import keys
from marketplace_metering.adapters.dynamodb.items.alarm import Alarms
from marketplace_metering.adapters.dynamodb.items.chunks import Parts, read_contents
from marketplace_metering.adapters.dynamodb.items.keys import Place
from marketplace_metering.core.hours import epoch_ms
from marketplace_metering.core.ledger import Alarm, AlarmKind
from marketplace_metering.core.quantity import parse_quantity
from marketplace_metering.core.record import Problem, RefusedInput

INPUTS_PER_TRANSACTION = 40  # each with its alarm


def keep(
    calls: Calls, table: str, alarms: Alarms, inputs: Sequence[RefusedInput], now: datetime
) -> int:
    """Keep each with its alarm, unless it is there already; answers how many were new."""
    new = 0
    different = {_digest(refused): refused for refused in inputs}
    order = count()
    for part in portions(different.items(), INPUTS_PER_TRANSACTION):
        parts = Parts()
        pairs: list[tuple[dict[str, Any], dict[str, Any]]] = []
        for digest, refused in part:
            item = _item(digest, refused, parts, epoch_ms(now), next(order))
            words = f"{refused.source}: " + " ".join(f"{p}." for p in refused.problems)
            alarm = Alarm(AlarmKind.REFUSED_INPUT, None, refused.quantity, words, now)
            pairs.append((_put(table, item), alarms.write(alarm)))
        calls.put(table, parts.items.values())
        new += _store(calls, alarms, pairs)
    return new


def _store(calls: Calls, alarms: Alarms, pairs: list[tuple[dict[str, Any], dict[str, Any]]]) -> int:
    while pairs:
        writes = [write for pair in pairs for write in pair]
        refusals = calls.transact(writes)
        if refusals is None:
            alarms.were_raised(writes)
            return len(pairs)
        for refusal in refusals:
            if refusal is not None and refusal.invalid is not None:
                raise StoreError(refusal.invalid)
        pairs = [pair for n, pair in enumerate(pairs) if refusals[2 * n] is None]
    return 0


def _digest(refused: RefusedInput) -> str:
    """The same words at two places are two inputs."""
    return hashlib.sha256(f"{refused.source}\n{refused.text}".encode()).hexdigest()


def _item(
    digest: str, refused: RefusedInput, parts: Parts, received_ms: int, order: int
) -> Attributes:
    problems = json.dumps([asdict(problem) for problem in refused.problems]).encode()
    item: Attributes = {
        **Place(keys.REFUSED, digest).key,
        "source": text(refused.source),
        "input": parts.take(keys.REFUSED, zlib.compress(refused.text.encode())),
        "problems": parts.take(keys.REFUSED, zlib.compress(problems)),
        "received_at": number(received_ms),
        "received_as": number(order),
    }
    if refused.product is not None:
        item["product"] = text(refused.product)
    if refused.quantity is not None:
        item["quantity"] = number(str(refused.quantity))
    return item


def _put(table: str, item: Attributes) -> dict[str, Any]:
    it_is_new = "attribute_not_exists(pk)"
    return {"Put": {"TableName": table, "Item": item, "ConditionExpression": it_is_new}}


def read(calls: Calls, table: str) -> list[RefusedInput]:
    """All refused input, newest first."""
    query = {
        "TableName": table,
        "KeyConditionExpression": "pk = :refused",
        "ExpressionAttributeValues": {":refused": text(keys.REFUSED)},
    }
    items = [item for item in calls.items(**query) if not item["sk"]["S"].startswith("part#")]
    inputs = read_contents(calls, table, ((keys.place_of(i), i["input"]) for i in items))
    problems = read_contents(calls, table, ((keys.place_of(i), i["problems"]) for i in items))
    items.sort(key=_received, reverse=True)
    return [
        RefusedInput(
            item["source"]["S"],
            zlib.decompress(inputs[keys.place_of(item)]).decode(),
            tuple(
                Problem(**each)
                for each in json.loads(zlib.decompress(problems[keys.place_of(item)]))
            ),
            item["product"]["S"] if "product" in item else None,
            parse_quantity(item["quantity"]["N"]) if "quantity" in item else None,
        )
        for item in items
    ]


def _received(item: Attributes) -> tuple[int, int]:
    return int(item["received_at"]["N"]), int(item["received_as"]["N"])
