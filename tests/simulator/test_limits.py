"""The request quota and the regions."""

from datetime import timedelta

from marketplace_metering.simulator.in_process import attach
from tests.simulator.world import NOW, SimulatorWorld, make_client, record


def test_the_11th_request_of_a_second_is_throttled(world: SimulatorWorld) -> None:
    for number in range(10):
        world.send(record(Dimension=f"d{number}"))
    assert world.refusal(record(Dimension="late")) == ("ThrottlingException", "Rate exceeded")


def test_the_quota_slides_over_any_second(world: SimulatorWorld) -> None:
    for number in range(10):
        world.clock.set(NOW + timedelta(milliseconds=100 * number), frozen=True)
        world.send(record())
    world.clock.set(NOW + timedelta(milliseconds=999), frozen=True)
    assert world.refusal_code(record()) == "ThrottlingException"
    world.clock.set(NOW + timedelta(milliseconds=1000), frozen=True)
    world.send(record())
    assert world.refusal_code(record()) == "ThrottlingException"


def test_a_throttled_request_does_not_count_against_the_quota(world: SimulatorWorld) -> None:
    world.simulator.requests_per_second = 1
    world.send(record())
    for tenth in range(1, 10):
        world.clock.set(NOW + timedelta(milliseconds=100 * tenth), frozen=True)
        assert world.refusal_code(record()) == "ThrottlingException"
    world.clock.set(NOW + timedelta(seconds=1), frozen=True)
    assert world.statuses(record()) == ["Success"]


def test_the_quota_can_be_switched_off(world: SimulatorWorld) -> None:
    world.simulator.requests_per_second = None
    for _ in range(30):
        world.send(record())


def test_a_clock_that_is_set_back_does_not_block_the_quota(world: SimulatorWorld) -> None:
    for _ in range(10):
        world.send(record())
    world.clock.set(NOW - timedelta(hours=1), frozen=True)
    assert world.statuses(record()) == ["Success"]


def test_resolve_customer_has_no_quota(world: SimulatorWorld) -> None:
    world.declare()
    token = world.subscribe()
    for _ in range(20):
        world.client.resolve_customer(RegistrationToken=token)


def test_each_region_has_its_own_quota(near: SimulatorWorld) -> None:
    near.simulator.requests_per_second = 1
    body = {"UsageRecords": [record()]}
    regions = ["us-east-1", "eu-west-1", "us-east-1"]
    answers = [near.faults.answer("BatchMeterUsage", body, NOW, region) for region in regions]
    assert [answer.status for answer in answers] == [200, 200, 400]


def test_a_region_without_the_api_is_disabled(near: SimulatorWorld) -> None:
    for region in ("us-gov-west-1", "cn-north-1", "mars-1"):
        client = make_client(region_name=region)
        attach(client, near.faults, near.clock.now)
        try:
            client.batch_meter_usage(UsageRecords=[record()])
        except client.exceptions.DisabledApiException as error:
            message = error.response["Error"]["Message"]
        client.close()
        assert message == f"The API is disabled in the Region {region}"


def test_a_region_can_be_switched_off(world: SimulatorWorld) -> None:
    world.simulator.disabled_regions = {"us-east-1"}
    assert world.refusal_code(record()) == "DisabledApiException"
