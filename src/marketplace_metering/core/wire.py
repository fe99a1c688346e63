"""The element of `UsageRecords` that an entry becomes, and the reading of what comes back.

The same entry always gives the same bytes (money rule 1), under either identity but never both
(rule 12). Answers are matched by key, never by position, and what is missing, doubled or
unknown is no answer (rule 7, [Q21]).
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from marketplace_metering.core.hours import epoch_s, stamp_s
from marketplace_metering.core.ledger import Entry, EntryKey
from marketplace_metering.core.outcome import (
    Accepted,
    Answered,
    Deferred,
    Duplicate,
    NoAnswer,
    NotSubscribed,
    Outcome,
)

Wire = dict[str, Any]


def usage_record(entry: Entry) -> Wire:
    """The wire record of an entry."""
    meter = entry.window.meter
    # [M10] the kind of an allocation must be the kind of its record
    as_integer = entry.quantity.goes_as_integer and all(
        allocation.quantity.is_whole for allocation in entry.allocations
    )
    record: Wire = {
        "Timestamp": stamp_s(entry.stamp),
        "CustomerAWSAccountId": meter.account,
        "Dimension": meter.dimension,
    }
    if as_integer:
        record["Quantity"] = entry.quantity.units
    else:
        record["QuantityAsDecimal"] = str(entry.quantity)
    if meter.license_arn is not None:
        record["LicenseArn"] = meter.license_arn
    if entry.allocations:
        record["UsageAllocations"] = [
            _allocation(entry, index, as_integer) for index in range(len(entry.allocations))
        ]
    return record


def _allocation(entry: Entry, index: int, as_integer: bool) -> Wire:
    tags, quantity = entry.allocations[index]
    allocation: Wire = (
        {"AllocatedUsageQuantity": quantity.units}
        if as_integer
        else {"AllocatedUsageQuantityAsDecimal": str(quantity)}
    )
    if tags:  # [M10] the untagged bucket has no Tags member at all
        allocation["Tags"] = [{"Key": key, "Value": value} for key, value in tags]
    return allocation


def request(entries: Sequence[Entry]) -> Wire:
    """The parameters of one `BatchMeterUsage` call for entries of one product and identity."""
    body: Wire = {"UsageRecords": [usage_record(entry) for entry in entries]}
    meter = entries[0].window.meter
    if not meter.is_licensed:
        body["ProductCode"] = meter.product
    return body


def body_bytes(wire: Wire) -> int:
    """The size of the JSON that botocore makes of it."""
    return len(json.dumps(wire).encode())


_WireKey = tuple[str | None, str | None, str | None, int | None]


def read_response(entries: Sequence[Entry], response: Mapping[str, Any]) -> Answered[EntryKey]:
    """An outcome for every entry of the request [M13]."""
    said: dict[_WireKey, list[Outcome]] = {}
    for result in _listed(response, "Results"):
        said.setdefault(_wire_key(result.get("UsageRecord")), []).append(_outcome(result))
    for record in _listed(response, "UnprocessedRecords"):
        deferred = Deferred("AWS listed it in UnprocessedRecords")
        said.setdefault(_wire_key(record), []).append(deferred)
    return Answered(
        {entry.key: _sole_outcome(said.get(_wire_key(usage_record(entry)))) for entry in entries}
    )


def _listed(response: Mapping[str, Any], name: str) -> list[Mapping[str, Any]]:
    """The structures in a list of the answer; botocore lets anything else through as it came."""
    found = response.get(name)
    return [each for each in found if isinstance(each, Mapping)] if isinstance(found, list) else []


def _wire_key(record: object) -> _WireKey:
    if not isinstance(record, Mapping):
        return (None, None, None, None)
    stamp = record.get("Timestamp")
    if isinstance(stamp, datetime):  # botocore parses it into the zone of this machine
        stamp = epoch_s(stamp.astimezone(UTC))
    return (
        _text(record.get("CustomerAWSAccountId")),
        _text(record.get("LicenseArn")),
        _text(record.get("Dimension")),
        stamp if isinstance(stamp, int) else None,
    )


def _text(value: object) -> str | None:
    return value if isinstance(value, str) else None


def _sole_outcome(outcomes: list[Outcome] | None) -> Outcome:
    if not outcomes:
        return NoAnswer("AWS's answer does not mention the record")
    if len(outcomes) > 1:
        return NoAnswer(f"AWS's answer mentions the record {len(outcomes)} times")
    return outcomes[0]


def _outcome(result: Mapping[str, Any]) -> Outcome:
    match result.get("Status"):
        case "Success":
            return Accepted(_text(result.get("MeteringRecordId")))
        case "DuplicateRecord":
            return Duplicate()
        case "CustomerNotSubscribed":
            return NotSubscribed()
        case unknown:
            return NoAnswer(f"AWS answered the status {unknown!r}, which nobody knows")
