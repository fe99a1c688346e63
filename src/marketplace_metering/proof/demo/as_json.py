"""The outcome of the demo as one JSON object; quantities are strings, because they are exact."""

from __future__ import annotations

from typing import Any

from marketplace_metering.proof.demo.audit import Statement, units
from marketplace_metering.proof.demo.outcome import Outcome
from marketplace_metering.proof.demo.restarts import Restarts
from marketplace_metering.proof.demo.tables import listed_sums


def to_json(outcome: Outcome, restarted: Restarts) -> dict[str, Any]:
    """Everything that the tables show, and every check."""
    statement = outcome.statement
    return {
        "balanced": not statement.complaints and restarted.is_exact,
        "seed": outcome.day.mix.seed,
        "usage_records": outcome.day.arrivals.read_count,
        "checks": [
            {"check": check.what, "holds": not check.complaints, "complaints": check.complaints}
            for check in statement.checks
        ],
        "products": _rows(statement, "product"),
        "dimensions": _rows(statement, "product", "dimension"),
        "meters": _rows(statement, "product", "account", "dimension"),
        "not_billed": [
            {
                "reason": reason,
                "product": product or None,
                "dimension": dimension or None,
                "usage_records": records,
                "quantity": None if quantity is None else _exact(quantity),
            }
            for (reason, product, dimension), (records, quantity) in listed_sums(outcome).items()
        ],
        "invoices": [
            {"product": product, "month": month, "dollars": f"{dollars:f}"}
            for (product, month), dollars in sorted(outcome.dollars.items())
        ],
        **_on_the_way(outcome),
        "application": {
            "orders": restarted.orders,
            "kills": restarted.kills,
            "used": _exact(restarted.used),
            "recorded": _exact(restarted.recorded),
            "billed": _exact(restarted.billed),
        },
    }


def _rows(statement: Statement, *parts: str) -> list[dict[str, str | None]]:
    return [
        {
            **{name: part or None for name, part in zip(parts, key, strict=True)},
            "recorded": _exact(account["recorded"]),
            "billed": _exact(account["billed"]),
            "not_billed": _exact(account["listed"]),
            "carried": _exact(account["carried"]),
            "carried_into_next_month": _exact(account["carried_into_next_month"]),
        }
        for key, account in statement.by(*parts).items()
    ]


def _exact(micros: int) -> str:
    return f"{units(micros):f}"


def _on_the_way(outcome: Outcome) -> dict[str, Any]:
    day, looked_up = outcome.day, outcome.day.auditor.marks
    return {
        "faults": dict(day.injected),
        "crashes": dict(day.crashes),
        "requests": {
            "made": day.aws.requests,
            "at_least_on_a_calm_day": outcome.requests_on_a_calm_day,
            "retries_of_refused_usage": day.line.retries_of_refused,
        },
        "alarms": {
            kind: {"count": len(alarms), "quantity": _exact(sum(alarms))}
            for kind, alarms in outcome.alarms.items()
        },
        "unresolved_windows": {
            "found_billed": looked_up["resolved as billed"],
            "written_off": looked_up["written off"],
        },
    }
