"""The outcome of the demo as one JSON object; quantities are strings, because they are exact."""

from __future__ import annotations

from typing import Any

from marketplace_metering.proof.demo.audit import NOTHING, Account
from marketplace_metering.proof.demo.outcome import Outcome
from marketplace_metering.proof.demo.restarts import Restarts
from marketplace_metering.proof.demo.tables import by_dimension, listed_sums


def to_json(outcome: Outcome, restarted: Restarts) -> dict[str, Any]:
    """Everything that the tables show, and every check."""
    findings = outcome.findings
    return {
        "balanced": findings.balance and restarted.is_exact,
        "seed": outcome.seed,
        "usage_records": outcome.lines,
        "checks": [
            {"check": check.what, "holds": not check.complaints, "complaints": check.complaints}
            for check in findings.checks
        ],
        "products": [
            {"product": product or None, **_account(account)}
            for product, account in findings.products.items()
        ],
        "dimensions": [
            {"product": product or None, "dimension": dimension or None, **_account(account)}
            for (product, dimension), account in by_dimension(findings.meters).items()
        ],
        "meters": [
            {
                "product": meter.product or None,
                "account": meter.account or None,
                "dimension": meter.dimension or None,
                **_account(account),
                "carried": f"{outcome.seller.carried.get(meter, NOTHING):f}",
                "carried_into_next_month": (
                    f"{outcome.seller.carried_into_next_month.get(meter, NOTHING):f}"
                ),
            }
            for meter, account in findings.meters.items()
        ],
        "not_billed": [
            {
                "reason": reason,
                "product": product or None,
                "dimension": dimension or None,
                "usage_records": records,
                "quantity": None if quantity is None else f"{quantity:f}",
            }
            for (reason, product, dimension), (records, quantity) in listed_sums(outcome).items()
        ],
        "invoices": [
            {"product": product, "month": month, "dollars": f"{dollars:f}"}
            for (product, month), dollars in sorted(outcome.aws.dollars.items())
        ],
        **_on_the_way(outcome),
        "application": {
            "orders": restarted.orders,
            "kills": restarted.kills,
            "used": f"{restarted.used:f}",
            "recorded": f"{restarted.recorded:f}",
            "billed": f"{restarted.billed:f}",
        },
    }


def _account(account: Account) -> dict[str, str]:
    return {
        "recorded": f"{account.recorded:f}",
        "billed": f"{account.billed:f}",
        "not_billed": f"{account.listed:f}",
    }


def _on_the_way(outcome: Outcome) -> dict[str, Any]:
    aws = outcome.aws
    return {
        "faults": dict(outcome.faults),
        "crashes": dict(outcome.crashes),
        "requests": {
            "made": aws.requests,
            "at_least_on_a_calm_day": aws.requests_on_a_calm_day,
            "retries_of_refused_usage": outcome.retries_of_refused,
        },
        "alarms": {
            kind: {"count": alarms.count, "quantity": f"{alarms.quantity:f}"}
            for kind, alarms in outcome.alarms.items()
        },
        "unresolved_windows": {
            "found_billed": len(outcome.looked_up.billed),
            "written_off": len(outcome.looked_up.written_off),
        },
    }
