"""The simulator's own books: what was sent, what was accepted, what went wrong."""

from datetime import timedelta

import pytest
from botocore.exceptions import ConnectionClosedError

from marketplace_metering.simulator import MarketplaceSimulator
from marketplace_metering.simulator.faults import (
    Lost,
    Scheduled,
    ServerError,
    Throttle,
    Unprocessed,
)
from tests.simulator.world import NOW, TWO_PM, SimulatorWorld, allocation, decimal, record


def test_requests_are_logged_with_size_count_and_outcome(near: SimulatorWorld) -> None:
    near.send(record(), record(Dimension="other"))
    near.refusal_code(record(Timestamp=NOW - timedelta(days=2)))
    first, second = near.simulator.audit.requests
    assert (first.outcome, first.record_count, first.loss) == ("Answered", 2, None)
    assert first.size > 300
    assert (second.outcome, second.record_count) == ("TimestampOutOfBoundsException", 1)
    assert near.simulator.audit.request_counts == {
        "Answered": 1,
        "TimestampOutOfBoundsException": 1,
    }


def test_a_lost_answer_is_logged_as_lost(near: SimulatorWorld) -> None:
    near.faults.plan([Scheduled(Lost(after_acceptance=True))])
    with pytest.raises(ConnectionClosedError):
        near.send(record())
    (request,) = near.simulator.audit.requests
    assert (request.outcome, request.loss) == ("Answered", "connection-closed")


def test_records_are_counted_by_outcome(near: SimulatorWorld) -> None:
    near.faults.plan([Scheduled(Unprocessed((1,)))])
    near.send(record(), record(Dimension="other"))
    near.send(record(), record(Dimension="other", Quantity=3))
    near.send(record(CustomerAWSAccountId="1"))
    near.refusal_code(record(Timestamp=NOW - timedelta(days=2)))
    assert near.simulator.audit.record_counts == {
        "Unprocessed": 1,
        "Success": 2,
        "DuplicateRecord": 1,
        "CustomerNotSubscribed": 1,
        "TimestampOutOfBoundsException": 1,
    }


def test_a_window_sent_twice_alike_is_no_finding(near: SimulatorWorld) -> None:
    near.send(record(Quantity=17))
    near.send(decimal("17.000"))
    assert near.simulator.audit.windows_with_two_contents() == []


@pytest.mark.parametrize(
    "changed",
    [
        record(Quantity=18),
        record(Timestamp=TWO_PM + timedelta(seconds=1)),
        record(UsageAllocations=[allocation(17, team="red")]),
    ],
)
def test_a_window_sent_with_two_contents_is_a_finding(
    near: SimulatorWorld, changed: dict[str, object]
) -> None:
    near.send(record())
    near.send(changed)
    (finding,) = near.simulator.audit.windows_with_two_contents()
    assert finding.unsafe
    assert [sent.times for sent in finding.contents] == [1, 1]


def test_a_content_changed_after_a_sure_refusal_is_safe(near: SimulatorWorld) -> None:
    near.faults.plan([Scheduled(Unprocessed()), Scheduled(Throttle(), skip=1)])
    near.send(record(Quantity=1))
    near.refusal_code(record(Quantity=2))
    near.send(record(Quantity=3))
    (finding,) = near.simulator.audit.windows_with_two_contents()
    assert len(finding.contents) == 3
    assert not finding.unsafe


@pytest.mark.parametrize(
    "fault",
    [Lost(after_acceptance=False), Lost(after_acceptance=True), ServerError()],
)
def test_a_content_changed_after_an_unknown_outcome_is_unsafe(
    near: SimulatorWorld, fault: Lost | ServerError
) -> None:
    near.faults.plan([Scheduled(fault)])
    with pytest.raises(Exception, match=r"closed|internal error"):
        near.send(record(Quantity=1))
    near.send(record(Quantity=2))
    (finding,) = near.simulator.audit.windows_with_two_contents()
    assert finding.unsafe


def test_a_refusal_that_the_client_never_heard_does_not_make_a_change_safe(
    near: SimulatorWorld,
) -> None:
    near.faults.plan([Scheduled(Unprocessed()), Scheduled(Lost(after_acceptance=True))])
    with pytest.raises(ConnectionClosedError):
        near.send(record(Quantity=1))
    near.send(record(Quantity=2))
    (finding,) = near.simulator.audit.windows_with_two_contents()
    assert finding.unsafe


def test_every_duplicate_is_listed(near: SimulatorWorld) -> None:
    near.send(record(), record(Quantity=3))
    ((_, window, content),) = near.simulator.audit.duplicates
    assert window.dimension == "api-calls"
    assert content.quantity == 3_000_000


def test_everything_sent_can_be_listed(near: SimulatorWorld) -> None:
    near.send(record(), record())
    ((window, (sent,)),) = near.simulator.audit.sent()
    assert window.buyer == "111122223333"
    assert (sent.times, sent.unrefused_times) == (2, 2)


def test_reset_forgets_everything_but_the_construction(near: SimulatorWorld) -> None:
    near.send(record())
    near.simulator.reset()
    assert near.simulator.accepted == []
    assert near.simulator.audit.requests == []
    own = MarketplaceSimulator(requests_per_second=3)
    own.requests_per_second = 5
    own.reset()
    assert own.requests_per_second == 3


def test_the_same_calls_give_the_same_answers() -> None:
    def run() -> list[object]:
        simulator = MarketplaceSimulator()
        batches = [{"UsageRecords": [record(Quantity=number)]} for number in range(3)]
        return [simulator.answer("BatchMeterUsage", batch, NOW) for batch in batches]

    assert run() == run()


def test_a_mapping_may_hold_datetimes_and_decimals() -> None:
    simulator = MarketplaceSimulator()
    answer = simulator.answer("BatchMeterUsage", {"UsageRecords": [record()]}, NOW)
    assert answer.status == 200
    with pytest.raises(TypeError, match="set has no JSON form in a request"):
        simulator.answer("BatchMeterUsage", {"UsageRecords": {1}}, NOW)
