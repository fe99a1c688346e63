"""What the admin API shows: usage, bill, requests and findings, quantities as decimal strings."""

import re
from collections.abc import Mapping, Sequence
from datetime import datetime
from decimal import Decimal

from marketplace_metering.simulator.admin.fields import AdminError
from marketplace_metering.simulator.answers import Body
from marketplace_metering.simulator.audit import Accepted, Content, Window
from marketplace_metering.simulator.bill import BillLine
from marketplace_metering.simulator.marketplace import MarketplaceSimulator
from marketplace_metering.simulator.quantities import as_text
from marketplace_metering.simulator.times import HOUR, iso

Query = Mapping[str, str]
RECENT = 100


def show_products(simulator: MarketplaceSimulator) -> Body:
    """Every declared product, with its dimensions and their prices."""
    return {
        "products": [
            {
                "productCode": product.code,
                "dimensions": {name: _text(price) for name, price in product.dimensions.items()},
                "decimals": product.decimals,
            }
            for product in simulator.listings.products.values()
        ]
    }


def show_usage(simulator: MarketplaceSimulator, query: Query) -> Body:
    """The accepted usage; a product code also finds the usage of its licences."""
    _check(query, ("productCode", "customerAWSAccountId", "dimension"))
    found = []
    for record in simulator.accepted:
        window = record.window
        product_code = simulator.listings.product_of(window.product_code, window.license_arn)
        if (
            query.get("productCode", product_code) == product_code
            and query.get("customerAWSAccountId", window.buyer) == window.buyer
            and query.get("dimension", window.dimension) == window.dimension
        ):
            found.append({**_accepted(record), "productCode": product_code})
    return {"usage": found}


def show_bill(simulator: MarketplaceSimulator, query: Query, now: datetime) -> Body:
    """The invoice of a month, this one if none is asked for."""
    _check(query, ("month",))
    month = query.get("month", f"{now.year:04d}-{now.month:02d}")
    if re.fullmatch(r"(19[7-9]\d|[2-9]\d{3})-(0[1-9]|1[0-2])", month, re.ASCII) is None:
        raise AdminError(400, f"month {month!r} is no month; send it like 2026-11")
    year, number = int(month[:4]), int(month[5:])
    if year > 9998:
        raise AdminError(400, f"month {month!r} is out of range; send a year up to 9998")
    invoice = simulator.bill(year, number)
    lines = [_line(line) for line in invoice.lines]
    return {"month": month, "lines": lines, "amount": _text(invoice.amount)}


def show_requests(simulator: MarketplaceSimulator, query: Query) -> Body:
    """How many requests and records came to which outcome, and the latest requests."""
    _check(query, ("limit",))
    limit = query.get("limit", str(RECENT))
    if re.fullmatch(r"\d{1,6}", limit, re.ASCII) is None:
        raise AdminError(400, f"limit {limit!r} is no number; send 0 to 999999")
    audit = simulator.audit
    recent = audit.requests[len(audit.requests) - min(int(limit), len(audit.requests)) :]
    return {
        "requestCounts": dict(audit.request_counts),
        "recordCounts": dict(audit.record_counts),
        "recent": [
            {
                "at": iso(request.at),
                "operation": request.operation,
                "region": request.region,
                "size": request.size,
                "recordCount": request.record_count,
                "outcome": request.outcome,
                "loss": request.loss,
            }
            for request in recent
        ],
    }


def show_audit(simulator: MarketplaceSimulator) -> Body:
    """What a correct client never causes: changed contents, double billing, duplicates."""
    audit = simulator.audit
    return {
        "windowsSentWithTwoContents": [
            {
                **_window(changed.window),
                "unsafe": changed.unsafe,
                "contents": [
                    {
                        **_content(sent.content),
                        "times": sent.times,
                        "unrefusedTimes": sent.unrefused_times,
                    }
                    for sent in changed.contents
                ],
            }
            for changed in audit.windows_with_two_contents()
        ],
        "billedTwice": [
            {"kind": each.kind, "records": [_accepted(record) for record in each.records]}
            for each in audit.billed_twice
        ],
        "duplicates": [
            {"at": iso(at), **_window(window), **_content(content)}
            for at, window, content in audit.duplicates
        ],
    }


def _accepted(record: Accepted) -> Body:
    return {
        "meteringRecordId": record.metering_record_id,
        "acceptedAt": iso(record.at),
        "region": record.region,
        **_window(record.window),
        **_content(record.content),
    }


def _meter(each: Window | BillLine) -> Body:
    return {
        "productCode": each.product_code,
        "licenseArn": each.license_arn,
        "customerAWSAccountId": each.buyer,
        "dimension": each.dimension,
    }


def _window(window: Window) -> Body:
    return {**_meter(window), "hour": iso(window.hour * HOUR)}


def _content(content: Content) -> Body:
    return {
        "quantity": as_text(content.quantity),
        "timestamp": iso(content.stamp),
        "allocations": [
            {"quantity": as_text(each.quantity), "tags": dict(each.tags)}
            for each in content.allocations
        ],
    }


def _line(line: BillLine) -> Body:
    return {
        **_meter(line),
        "quantity": _text(line.quantity),
        "recordCount": line.record_count,
        "unitPrice": _text(line.unit_price),
        "amount": _text(line.amount),
    }


def _text(number: Decimal | None) -> str | None:
    return None if number is None else format(number, "f")


def _check(query: Query, known: Sequence[str]) -> None:
    unknown = sorted(set(query) - set(known))
    if unknown:
        raise AdminError(400, f"unknown filter {unknown[0]!r}; known are: {', '.join(known)}")
