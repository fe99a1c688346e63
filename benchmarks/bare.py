"""The floor of the embedded mode: SQLite alone, with nothing that makes usage billable once.

The same file, parsed and inserted in the same durability mode into one table with the guide's
columns and no index; one GROUP BY for the windows; one UPDATE that marks every usage record.
"""

from __future__ import annotations

import json
import sqlite3
from itertools import islice
from pathlib import Path

from benchmarks.measuring import Spent

ROWS_PER_STEP = 20_000
TABLE = """
CREATE TABLE metering_records (
  customerAWSAccountId TEXT, productCode TEXT, create_timestamp INTEGER, dimension TEXT,
  quantity INTEGER, metering_pending TEXT, metering_failed INTEGER, metering_response TEXT
)
"""
INSERT = "INSERT INTO metering_records VALUES (?, ?, ?, ?, ?, ?, NULL, NULL)"
GROUP = """
SELECT customerAWSAccountId, productCode, dimension, create_timestamp / 3600000 AS hour,
  sum(quantity), count(*), min(create_timestamp)
FROM metering_records WHERE metering_pending = 'true' GROUP BY 1, 2, 3, 4
"""
MARK = """
UPDATE metering_records SET metering_pending = NULL, metering_failed = 0,
  metering_response = '{"Status": "Success"}'
"""


def run(usage: Path, database: Path) -> dict[str, float]:
    """Seconds of processor and clock for each step."""
    spent = {"insert": Spent(), "group": Spent(), "mark": Spent()}
    connection = sqlite3.connect(database, isolation_level=None)
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = FULL")
    connection.execute("PRAGMA cache_size = -65536")
    connection.execute(TABLE)
    with spent["insert"].counting(), usage.open("rb") as file:
        loads = json.loads
        while lines := list(islice(file, ROWS_PER_STEP)):
            rows = [tuple(loads(line).values()) for line in lines]
            connection.execute("BEGIN IMMEDIATE")
            connection.executemany(INSERT, rows)
            connection.execute("COMMIT")
    with spent["group"].counting():
        windows = connection.execute(GROUP).fetchall()
    with spent["mark"].counting():
        connection.execute(MARK)
    connection.close()
    return {
        **{f"{name} cpu_s": each.cpu_s for name, each in spent.items()},
        **{f"{name} wall_s": each.wall_s for name, each in spent.items()},
        "windows": len(windows),
    }
