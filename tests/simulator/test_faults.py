"""Faults: what the client sees, and what was billed all the same."""

from datetime import timedelta
from typing import Any

import pytest
from botocore.exceptions import ConnectionClosedError, ReadTimeoutError

from marketplace_metering.simulator import FaultySimulator, Loss, MarketplaceSimulator
from marketplace_metering.simulator.faults import (
    Chance,
    Fault,
    Lost,
    Missing,
    NotSubscribed,
    Scheduled,
    ServerError,
    Shuffled,
    Slow,
    Throttle,
    Unprocessed,
)
from marketplace_metering.simulator.in_process import attach
from tests.simulator.world import BUYER, NOW, OTHER_BUYER, SimulatorWorld, make_client, record

FIVE = [record(Dimension=f"d{number}") for number in range(5)]


def plan(world: SimulatorWorld, *faults: Fault) -> None:
    world.faults.plan([Scheduled(fault) for fault in faults])


def dimensions(records: list[Any]) -> list[str]:
    return [each["Dimension"] for each in records]


def test_a_throttled_request_processes_nothing(world: SimulatorWorld) -> None:
    plan(world, Throttle())
    assert world.refusal(record()) == ("ThrottlingException", "Rate exceeded")
    assert world.statuses(record()) == ["Success"]


def test_a_server_error_processes_nothing(world: SimulatorWorld) -> None:
    plan(world, ServerError())
    assert world.refusal_code(record()) == "InternalServiceErrorException"
    assert world.statuses(record(Quantity=5)) == ["Success"]


def test_a_server_error_can_come_after_acceptance(world: SimulatorWorld) -> None:
    plan(world, ServerError(after_acceptance=True))
    with pytest.raises(world.client.exceptions.InternalServiceErrorException):
        world.send(record())
    assert world.quantities() == [17]


def test_an_answer_lost_after_acceptance_is_billed(world: SimulatorWorld) -> None:
    plan(world, Lost(after_acceptance=True))
    with pytest.raises(ConnectionClosedError):
        world.send(record())
    assert world.quantities() == [17]
    assert world.statuses(record()) == ["Success"]
    assert world.quantities() == [17]


def test_a_request_lost_before_acceptance_is_not_billed(world: SimulatorWorld) -> None:
    plan(world, Lost(after_acceptance=False))
    with pytest.raises(ConnectionClosedError):
        world.send(record())
    assert world.quantities() == []


def test_unprocessed_records_come_back_and_are_not_billed(world: SimulatorWorld) -> None:
    plan(world, Unprocessed((2, 4)))
    answer = world.send(*FIVE)
    assert dimensions(answer["UnprocessedRecords"]) == ["d1", "d3"]
    assert answer["UnprocessedRecords"] == [FIVE[1], FIVE[3]]
    assert len(answer["Results"]) == len(world.simulator.accepted) == 3


def test_unprocessed_does_not_excuse_a_bad_batch_mate(world: SimulatorWorld) -> None:
    plan(world, Unprocessed((1,)))
    old = record(Timestamp=NOW - timedelta(hours=24))
    assert world.refusal_code(old, *FIVE) == "TimestampOutOfBoundsException"


def test_a_record_can_be_missing_from_both_lists(world: SimulatorWorld) -> None:
    plan(world, Missing((1,)))
    answer = world.send(*FIVE)
    assert answer["UnprocessedRecords"] == []
    echoes = [each["UsageRecord"] for each in answer["Results"]]
    assert dimensions(echoes) == ["d1", "d2", "d3", "d4"]
    assert len(world.simulator.accepted) == 5


def test_results_can_come_in_another_order(world: SimulatorWorld) -> None:
    plan(world, Shuffled())
    echoes = [each["UsageRecord"] for each in world.send(*FIVE)["Results"]]
    assert dimensions(echoes) != dimensions(FIVE)
    assert sorted(dimensions(echoes)) == dimensions(FIVE)


def test_a_buyer_can_be_not_subscribed_for_a_while(world: SimulatorWorld) -> None:
    plan(world, NotSubscribed(BUYER))
    both = record(), record(CustomerAWSAccountId=OTHER_BUYER)
    assert world.statuses(*both) == ["CustomerNotSubscribed", "Success"]
    assert world.statuses(*both) == ["Success", "Success"]


def test_every_buyer_can_be_not_subscribed_for_a_while(world: SimulatorWorld) -> None:
    plan(world, NotSubscribed())
    assert world.statuses(*FIVE) == ["CustomerNotSubscribed"] * 5


def test_a_slow_answer_arrives(far: SimulatorWorld) -> None:
    plan(far, Slow(0.01))
    assert far.statuses(record()) == ["Success"]


def test_a_slow_answer_in_process_sleeps_as_told() -> None:
    slept: list[float] = []
    faults = FaultySimulator(MarketplaceSimulator(), [Scheduled(Slow(3)), Scheduled(Slow(1.5))])
    client = make_client()
    attach(client, faults, lambda: NOW, slept.append)
    client.batch_meter_usage(UsageRecords=[record()])
    client.close()
    assert slept == [4.5]


def test_an_answer_slower_than_the_clients_patience_is_a_timeout(near: SimulatorWorld) -> None:
    plan(near, Slow(5))
    with pytest.raises(ReadTimeoutError):
        near.send(record())
    assert near.quantities() == [17]


def test_a_silent_server_is_a_timeout(far: SimulatorWorld, url: str) -> None:
    plan(far, Lost(after_acceptance=True, loss=Loss.READ_TIMEOUT))
    client = make_client(endpoint_url=url)
    client.meta.config.read_timeout = 0.1
    client._endpoint.http_session._timeout._read = 0.1
    with pytest.raises(ReadTimeoutError):
        client.batch_meter_usage(UsageRecords=[record()])
    client.close()
    assert far.quantities() == [17]


def test_a_silent_service_in_process_is_a_timeout(near: SimulatorWorld) -> None:
    plan(near, Lost(after_acceptance=False, loss=Loss.READ_TIMEOUT))
    with pytest.raises(ReadTimeoutError):
        near.send(record())
    assert near.quantities() == []


def test_scheduled_faults_skip_and_repeat(world: SimulatorWorld) -> None:
    world.faults.plan([Scheduled(Throttle(), skip=1, times=2)])
    world.send(record())
    for _ in range(2):
        assert world.refusal_code(record()) == "ThrottlingException"
    world.send(record())
    assert world.faults.scheduled == []


def test_faults_can_come_together(world: SimulatorWorld) -> None:
    plan(world, Unprocessed((1,)), Lost(after_acceptance=True))
    with pytest.raises(ConnectionClosedError):
        world.send(*FIVE)
    assert len(world.simulator.accepted) == 4


def outcomes(seed: int) -> list[object]:
    """What a random fault mix does to 40 requests."""
    mix = [
        Chance(Throttle(), 0.2),
        Chance(Lost(after_acceptance=True), 0.2),
        Chance(Unprocessed(), 0.3),
        Chance(Missing(), 0.2),
        Chance(Shuffled(), 0.2),
    ]
    simulator = MarketplaceSimulator(requests_per_second=None)
    faults = FaultySimulator(simulator, chances=mix, seed=seed)
    body = {"UsageRecords": FIVE}
    return [faults.answer("BatchMeterUsage", body, NOW) for _ in range(40)]


def test_random_faults_are_the_same_for_the_same_seed() -> None:
    assert outcomes(seed=7) == outcomes(seed=7)
    assert outcomes(seed=7) != outcomes(seed=8)


def test_random_faults_of_probability_0_and_1(near: SimulatorWorld) -> None:
    near.faults.plan(chances=[Chance(Throttle(), 0.0)])
    near.send(record())
    near.faults.plan(chances=[Chance(Throttle(), 1.0)])
    assert near.refusal_code(record()) == "ThrottlingException"


def test_random_unprocessed_picks_at_least_one_record(near: SimulatorWorld) -> None:
    near.simulator.requests_per_second = None
    near.faults.plan(chances=[Chance(Unprocessed(), 1.0)], seed=3)
    for _ in range(20):
        assert near.send(*FIVE)["UnprocessedRecords"]
    assert near.send()["UnprocessedRecords"] == []


def test_faults_leave_errors_alone(near: SimulatorWorld) -> None:
    plan(near, Shuffled(), Missing(), ServerError(after_acceptance=True), Slow(0))
    assert near.refusal_code(record(Quantity=2**31)) == "ValidationException"


def test_faults_on_resolve_customer_change_only_its_arrival(near: SimulatorWorld) -> None:
    near.declare()
    token = near.subscribe()
    plan(near, Shuffled(), Missing())
    near.client.resolve_customer(RegistrationToken=token)
