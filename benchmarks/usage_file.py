"""A file of usage records as an application's log holds them: the guide's format, in order of time.

The windows are met in turn, so that each moment brings usage of many buyers.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

HOURS = 10
FIRST_HOUR = datetime(2026, 11, 20, 2, tzinfo=UTC)
NOW = FIRST_HOUR + timedelta(hours=HOURS, minutes=30)  # every hour of the file is closed
DIMENSIONS = ("api_calls", "storage_gb", "users", "transactions")
PRODUCTS = 20
MS_PER_HOUR = 3_600_000
LINES_PER_WRITE = 50_000
LINE = (
    '{{"customerAWSAccountId": "{account:012d}", "productCode": "prod{product:02d}abc123xyz456", '
    '"create_timestamp": {ms}, "dimension": "{dimension}", "quantity": {quantity}, '
    '"metering_pending": "true"}}\n'
)


def write(path: Path, records: int, windows: int) -> int:
    """Write so many usage records in so many windows; answers the sum of their quantities."""
    hours = min(HOURS, windows)
    meters = windows // hours
    assert meters * hours == windows, f"{windows} windows do not fill {hours} hours evenly"
    first_ms = int(FIRST_HOUR.timestamp()) * 1_000
    total = 0
    with path.open("w", encoding="utf-8") as file:
        lines = []
        for number in range(records):
            meter = number * 7_919 % meters
            quantity = 1 + number * 31 % 997
            total += quantity
            lines.append(
                LINE.format(
                    account=100_000_000_000 + meter // len(DIMENSIONS),
                    product=meter // len(DIMENSIONS) % PRODUCTS,
                    ms=first_ms + number * hours * MS_PER_HOUR // records,
                    dimension=DIMENSIONS[meter % len(DIMENSIONS)],
                    quantity=quantity,
                )
            )
            if len(lines) == LINES_PER_WRITE:
                file.write("".join(lines))
                lines.clear()
        file.write("".join(lines))
    return total
