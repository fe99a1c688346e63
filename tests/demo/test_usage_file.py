"""The shipped usage file: reproducible, in the guide's format, and full of what goes wrong."""

import json
from collections import Counter
from datetime import datetime

from marketplace_metering.core.hours import instant
from marketplace_metering.core.record import Problem, UsageRecord
from marketplace_metering.core.record_rules import read_record
from marketplace_metering.files.json_lines import read_json
from marketplace_metering.proof.demo.listings import MONTH_ENDS, PRODUCTS
from marketplace_metering.proof.demo.usage_file import Arrivals, read_lines
from tests.demo import generate
from tests.demo.generate import USAGE_ENDS
from tests.demo.moments import ms


def read_all() -> list[UsageRecord | tuple[Problem, ...]]:
    return [
        (piece.item,) if isinstance(piece.item, Problem) else read_record(piece.item, USAGE_ENDS)
        for piece in read_json(read_lines())
    ]


def good_ones() -> list[UsageRecord]:
    return [record for record in read_all() if isinstance(record, UsageRecord)]


def arrival_of(record):
    return datetime.fromisoformat(str(record.extras["recorded_at"]))


def test_the_file_is_what_its_generator_writes_to_the_byte():
    assert read_lines() == list(generate.lines())


def test_the_generator_does_not_depend_on_the_order_of_runs():
    assert list(generate.lines()) == list(generate.lines())


def test_it_is_small_enough_to_ship():
    lines = read_lines()
    assert 3_000 <= len(lines) <= 6_000
    assert sum(len(line.encode()) + 1 for line in lines) < 1_500_000


def test_lines_stand_in_order_of_arrival():
    arrivals = Arrivals(read_lines())
    assert arrivals._at == sorted(arrivals._at)


def test_three_products_tens_of_buyers_and_five_dimensions_of_the_listings():
    records = good_ones()
    assert {record.product for record in records} == {product.code for product in PRODUCTS}
    assert len({record.account for record in records}) >= 30
    listed = {name for product in PRODUCTS for name in product.prices}
    assert len(listed) == 5
    assert {record.dimension for record in records} == listed | {"api-calls"}


def test_one_product_is_metered_by_licence_and_the_others_never_are():
    by_licence = {record.product for record in good_ones() if record.license_arn}
    assert by_licence == {product.code for product in PRODUCTS if product.is_licensed}
    assert len(by_licence) == 1


def test_it_has_fractions_tags_and_several_uses_in_one_millisecond():
    records = good_ones()
    assert any(record.micros % 1_000 for record in records)
    assert any(len(record.tags) == 2 for record in records)
    instants = Counter((record.meter, record.created_ns) for record in records)
    assert sum(count > 1 for count in instants.values()) >= 10


def test_some_usage_arrives_hours_late_and_some_after_its_month_was_closed():
    delays = [ms(arrival_of(each)) - each.created_ns // 1_000_000 for each in good_ones()]
    hours = [delay // 3_600_000 for delay in delays]
    assert sum(late >= 1 for late in hours) >= 50
    assert max(hours) >= 24
    november_closes = MONTH_ENDS.replace(hour=6)
    assert any(
        instant(each.created_ns) < MONTH_ENDS and arrival_of(each) >= november_closes
        for each in good_ones()
    )


def test_more_than_a_dozen_kinds_of_malformed_lines_are_refused():
    refused = [found for found in read_all() if not isinstance(found, UsageRecord)]
    kinds = {(problem.field, problem.rule, problem.fix) for found in refused for problem in found}
    assert len(refused) >= 12
    assert len(kinds) >= 12


def test_every_well_formed_line_has_what_the_guide_requires_and_the_sellers_own_time():
    required = {
        "customerAWSAccountId",
        "productCode",
        "create_timestamp",
        "dimension",
        "quantity",
        "metering_pending",
        "recorded_at",
    }
    complete = [line for line in read_lines() if line.endswith("}")]
    incomplete = [line for line in complete if not required <= json.loads(line).keys()]
    assert len(incomplete) == 2  # the misspelt dimension and the missing product
