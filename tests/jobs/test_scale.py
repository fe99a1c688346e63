"""A hundred thousand usage records of a busy day: totals to the unit, requests to the minimum."""

from __future__ import annotations

import json
import random
from collections import Counter
from dataclasses import replace
from math import ceil

from marketplace_metering.files.json_lines import read_json
from marketplace_metering.jobs.record import record
from marketplace_metering.jobs.seal import seal
from marketplace_metering.jobs.submit import submit
from tests.support.clock import utc
from tests.support.direct import DirectMarketplace
from tests.support.world import new_world

RECORDS = 100_000
PRODUCTS, BUYERS, DIMENSIONS, HOURS = 20, 200, 5, 24


def test_a_hundred_thousand_records_in_the_fewest_requests() -> None:
    """20 products with 200 buyers, 5 dimensions, 24 hours of one month, no faults."""
    dice = random.Random(20)
    start_ms = int(utc("2026-11-19 12:00").timestamp() * 1000)
    expected: Counter[tuple[str, str, str]] = Counter()
    windows: set[tuple[object, ...]] = set()
    lines = []
    for _ in range(RECORDS):
        buyer, dimension = dice.randrange(BUYERS), dice.randrange(DIMENSIONS)
        quantity, after_ms = dice.randrange(1, 1000), dice.randrange(HOURS * 3_600_000)
        key = (f"prod-{buyer % PRODUCTS:02d}", f"{buyer:012d}", f"dimension_{dimension}")
        expected[key] += quantity
        windows.add((*key, after_ms // 3_600_000))
        usage = {
            "customerAWSAccountId": key[1],
            "productCode": key[0],
            "create_timestamp": start_ms + after_ms,
            "dimension": key[2],
            "quantity": quantity,
            "metering_pending": "true",
        }
        lines.append(json.dumps(usage))
    with new_world("2026-11-20 12:06") as world:
        world.simulator.requests_per_second = None
        ports = replace(world.ports, marketplace=DirectMarketplace(world.simulator, world.clock))
        assert record(world.store, world.clock, "usage.jsonl", read_json(lines)).added == RECORDS
        sealed = seal(ports, world.policy)
        submitted = submit(ports, world.policy)
        accepted: Counter[tuple[str, str, str]] = Counter()
        for each in world.simulator.accepted:
            product_code = each.window.product_code
            assert product_code is not None
            key = (product_code, each.window.buyer, each.window.dimension)
            accepted[key] += each.content.quantity // 1_000_000
        assert accepted == expected
        # Some windows of the first hour were too close to their deadline: they were carried.
        assert len(windows) * 0.95 < sealed.entries <= len(windows)
        assert submitted.requests <= ceil(sealed.entries / 25) + PRODUCTS
        assert not world.simulator.audit.windows_with_two_contents()
        world.assert_law()
