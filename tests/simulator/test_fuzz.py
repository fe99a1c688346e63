"""Whatever arrives, the answer is a well-formed one of AWS: never a crash, never a stack trace."""

import json
from datetime import UTC, datetime
from typing import Any, get_args, get_type_hints

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as some

from marketplace_metering.simulator import MarketplaceSimulator, Readings
from tests.simulator.test_server import TARGET, json_of, talk
from tests.simulator.world import BUYER, LICENSE, NOW, PRODUCT, SimulatorWorld, call, post

QUICK = settings(
    max_examples=200,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
FEW = settings(QUICK, max_examples=60)

SCALARS = (
    some.none()
    | some.booleans()
    | some.integers()
    | some.floats()
    | some.text(max_size=8)
    | some.sampled_from(["17", "0.5", "1e3", BUYER, LICENSE, PRODUCT, 1795183200, 10**400])
)
JSON = some.recursive(
    SCALARS,
    lambda inner: (
        some.lists(inner, max_size=3) | some.dictionaries(some.text(max_size=8), inner, max_size=3)
    ),
    max_leaves=8,
)


def members(**known: some.SearchStrategy[Any]) -> some.SearchStrategy[dict[str, Any]]:
    """An object with some of these members, each right or anything."""
    return some.fixed_dictionaries({}, optional={name: each | JSON for name, each in known.items()})


TAGS = some.lists(members(Key=some.just("team"), Value=some.just("red")), max_size=6)
ALLOCATION = members(
    AllocatedUsageQuantity=some.integers(0, 3),
    AllocatedUsageQuantityAsDecimal=some.just("0.5"),
    Tags=TAGS,
)
RECORD = members(
    Timestamp=some.integers(1795183200 - 90_000, 1795183200 + 10_000),
    Dimension=some.just("api-calls"),
    Quantity=some.integers(0, 3),
    QuantityAsDecimal=some.just("0.5"),
    CustomerAWSAccountId=some.just(BUYER),
    CustomerIdentifier=some.just("old-buyer"),
    LicenseArn=some.just(LICENSE),
    UsageAllocations=some.lists(ALLOCATION, max_size=3),
)
REQUEST = members(
    ProductCode=some.just(PRODUCT),
    UsageRecords=some.lists(RECORD, max_size=3),
    RegistrationToken=some.text(max_size=8),
)


def assert_well_formed(status: int, body: Any) -> None:
    """A processed batch, a resolved customer, or an error with its type."""
    if status == 200:
        assert set(body) == {"Results", "UnprocessedRecords"}
    else:
        assert status == 400
        assert set(body) == {"__type", "message"}
        assert body["__type"].endswith("Exception")


def answered(operation: str, body: bytes) -> tuple[int, Any]:
    simulator = MarketplaceSimulator(requests_per_second=None)
    answer = simulator.answer(operation, body, NOW)
    return answer.status, json.loads(json.dumps(answer.body))


OPERATIONS = some.sampled_from(["BatchMeterUsage", "ResolveCustomer"])


@QUICK
@given(OPERATIONS, some.binary(max_size=200))
def test_any_bytes_get_a_well_formed_answer(operation: str, body: bytes) -> None:
    assert_well_formed(*answered(operation, body))


@QUICK
@given(some.text(max_size=20), JSON)
def test_any_json_gets_a_well_formed_answer(operation: str, body: Any) -> None:
    assert_well_formed(*answered(operation, json.dumps(body).encode()))


@QUICK
@given(OPERATIONS, REQUEST)
def test_nearly_right_requests_get_a_well_formed_answer(operation: str, body: Any) -> None:
    assert_well_formed(*answered(operation, json.dumps(body).encode()))


@QUICK
@given(REQUEST, some.datetimes(datetime(1971, 1, 1), datetime(9000, 1, 1)))  # noqa: DTZ001 - bounds
def test_any_instant_and_all_other_readings_get_a_well_formed_answer(
    body: Any, now: datetime
) -> None:
    other = {name: values[-1] for name, values in _choices().items()}
    simulator = MarketplaceSimulator(Readings().changed(other), strict=True)
    simulator.declare(PRODUCT, {"api-calls": None})
    simulator.subscribe(PRODUCT, BUYER, starts_at=NOW, license_arn=LICENSE)
    answer = simulator.answer("BatchMeterUsage", json.dumps(body).encode(), now.replace(tzinfo=UTC))
    assert_well_formed(answer.status, json.loads(json.dumps(answer.body)))


@FEW
@given(some.binary(max_size=200))
def test_any_bytes_over_http_get_a_well_formed_answer(
    far: SimulatorWorld, url: str, body: bytes
) -> None:
    assert_well_formed(*post(url, "/", body, TARGET))


@FEW
@given(some.binary(max_size=200))
def test_any_bytes_instead_of_http_get_json_or_nothing(
    far: SimulatorWorld, url: str, sent: bytes
) -> None:
    answer = talk(url, sent)
    assert answer == b"" or "__type" in json_of(answer)


@FEW
@given(some.sampled_from(["products", "subscribe", "unsubscribe", "clock", "readings"]), JSON)
def test_any_json_to_the_admin_api_gets_json(
    far: SimulatorWorld, url: str, name: str, body: Any
) -> None:
    status, answer = call(url, "POST", f"/_simulator/{name}", json.dumps(body).encode())
    assert status == 200 or set(answer) == {"error"}
    assert status < 500


def _choices() -> dict[str, list[object]]:
    hints = get_type_hints(Readings).values()
    shown = zip(Readings().as_json(), hints, strict=True)
    return {name: list(get_args(hint)) for name, hint in shown if get_args(hint)}
