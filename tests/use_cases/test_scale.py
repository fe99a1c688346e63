"""A hundred thousand usage records of a busy day: totals to the unit, requests to the minimum."""

from __future__ import annotations

import json
import random
from collections import Counter
from math import ceil

from marketplace_metering.core.policy import Policy
from marketplace_metering.formats import read_json
from marketplace_metering.recording import record
from marketplace_metering.simulator import MarketplaceSimulator
from tests.support.clock import utc
from tests.support.world import new_world

RECORDS = 100_000
PRODUCTS = 20


def test_a_hundred_thousand_records_in_the_fewest_requests() -> None:
    """20 products × 200 buyers × 5 dimensions × 24 hours of one month, no faults."""
    rng = random.Random(20)
    start_ms = int(utc("2026-11-19 12:00").timestamp() * 1000)
    expected: Counter[tuple[str, str, str]] = Counter()
    lines = []
    for _ in range(RECORDS):
        product, buyer, dimension = (rng.randrange(n) for n in (PRODUCTS, 200, 5))
        quantity = rng.randrange(1, 1000)
        key = (f"prod-{product:02d}", f"{buyer:012d}", f"dimension_{dimension}")
        expected[key] += quantity
        usage = {
            "customerAWSAccountId": key[1],
            "productCode": key[0],
            "create_timestamp": start_ms + rng.randrange(24 * 3_600_000),
            "dimension": key[2],
            "quantity": quantity,
            "metering_pending": "true",
        }
        lines.append(json.dumps(usage))
    policy = Policy(requests_per_second=1_000_000)
    with new_world("2026-11-20 12:06", policy) as world:
        assert isinstance(world.simulator, MarketplaceSimulator)
        world.simulator.requests_per_second = None
        assert record(world.store, world.clock, "usage.jsonl", read_json(lines)).added == RECORDS
        sealed = world.seal()
        submitted = world.submit()
        accepted: Counter[tuple[str, str, str]] = Counter()
        for each in world.simulator.accepted:
            product_code = each.window.product_code
            assert product_code is not None
            key = (product_code, each.window.buyer, each.window.dimension)
            accepted[key] += each.content.quantity // 1_000_000
        assert accepted == expected
        assert submitted.requests <= ceil(sealed.entries / 25) + PRODUCTS
        assert not world.simulator.audit.windows_with_two_contents()
        world.assert_law()
