"""Whatever AWS answers instead of doing what it was asked, nothing is lost or counts twice."""

from __future__ import annotations

import json
from collections import Counter
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from botocore.awsrequest import AWSRequest, AWSResponse
from botocore.compat import HTTPHeaders

from marketplace_metering.adapters.aws.clients import connect
from marketplace_metering.adapters.dynamodb import StoreBusyError, StoreError
from marketplace_metering.adapters.dynamodb.api import requests
from marketplace_metering.core import ledger
from marketplace_metering.core.identity import Meter
from marketplace_metering.core.ledger import Entry, State
from marketplace_metering.core.outcome import Deferred, NotSubscribed, Outcome
from marketplace_metering.core.policy import LateUsage, Policy
from tests.deploy.emulator import REGION
from tests.dynamodb.faults import PowerCutError
from tests.dynamodb.world import TwoTables, accept
from tests.recorder.table import Said, error
from tests.support import steps
from tests.support.build import DIMENSION, PRODUCT, quantity, usage

HOUR = timedelta(hours=1)
CONFLICT = "TransactionConflict"
THROTTLED = "ThrottlingException"


def not_subscribed(entry: Entry) -> Outcome:
    return NotSubscribed()


def put_for_buyers(world: TwoTables, count: int) -> None:
    for number in range(count):
        world.put("09:10", number + 1, customerAWSAccountId=f"{number:012d}")


def test_a_book_that_changed_is_refused_and_the_others_of_its_transaction_are_stored(
    world: TwoTables,
) -> None:
    put_for_buyers(world, 3)
    made = steps.plans(world.store, world.clock.now())
    other = world.new_store(world.raw)
    [_first, second, _third] = steps.plans(other, world.clock.now())
    assert list(other.append([second], world.clock.now())) == [True]
    world.client.log.clear()
    assert list(world.store.append(made, world.clock.now())) == [True, False, True]
    assert world.client.requests()["transact_write_items"] == 2, "together, and without the stale"
    assert len(world.entries()) == 3


def test_a_transaction_in_conflict_is_tried_again(world: TwoTables) -> None:
    put_for_buyers(world, 3)
    world.client.cancel(CONFLICT, times=3)
    assert world.seal().entries == 3


def test_a_seal_that_loses_its_race_plans_again_with_what_the_other_left(world: TwoTables) -> None:
    world.put("09:10", 5)

    def another_run() -> None:
        other = world.new_store(world.raw)
        steps.seal(other, world.clock.now())
        world.put("09:40", 2)

    world.client.before("transact_write_items", another_run)
    report = world.seal()
    assert (report.entries, report.contended_books, report.carried) == (1, 0, quantity(2))
    world.submit()
    assert sorted(world.billed_quantities()) == ["2", "5"]


@pytest.mark.parametrize("operation", ["transact_write_items", "batch_execute_statement"])
def test_a_repeated_request_is_known_as_ones_own(world: TwoTables, operation: str) -> None:
    """The answer was lost and botocore asked again: one attempt is one attempt."""
    world.put("09:10", 5)
    world.client.repeat(operation, times=3)
    assert (world.seal().entries, world.entry().serial) == (1, 0)
    world.aws.answer = not_subscribed
    world.submit()
    entry = world.entry()
    assert (entry.begun, entry.refused, entry.state) == (1, 1, State.PARKED)
    assert len(world.alarms()) == 1


@pytest.mark.parametrize(
    ("refusal", "operation"),
    [
        (Deferred("throttled"), "batch_execute_statement"),
        (NotSubscribed(), "transact_write_items"),  # with its alarm
    ],
)
def test_a_refusal_counts_once_although_others_went_on_before_its_write_was_repeated(
    world: TwoTables, refusal: Outcome, operation: str
) -> None:
    """Else it passes for the answer to their attempt, which has none: it may be billed."""
    world.put("09:10", 5)
    world.seal()
    now, policy = world.clock.now(), world.policy
    key, other = world.entry().key, world.new_store(world.raw)

    def another_attempt() -> None:
        assert other.change([key], lambda e: ledger.begin(e, now + HOUR, policy), now)

    assert world.store.change([key], lambda e: ledger.begin(e, now, policy), now)
    world.client.repeat(operation, between=another_attempt)
    changed = world.store.change([key], lambda e: ledger.answer(e, 1, refusal, now, policy), now)
    assert [(each.begun, each.refused) for each in changed] == [(1, 1)], "as it changed it"
    assert (world.entry().begun, world.entry().refused) == (2, 1)


def test_an_attempt_counts_once_although_others_went_on_before_its_write_was_repeated(
    world: TwoTables,
) -> None:
    """Else one of the two would never be answered."""
    world.put("09:10", 5)
    world.seal()
    now, policy = world.clock.now(), world.policy
    key, other = world.entry().key, world.new_store(world.raw)

    def another_attempt() -> None:
        [entry] = other.change([key], lambda e: ledger.begin(e, now, policy), now)
        assert entry.begun == 2

    world.client.repeat("batch_execute_statement", between=another_attempt)
    [mine] = world.store.change([key], lambda e: ledger.begin(e, now, policy), now)
    assert mine.begun == 1
    assert (world.entry().begun, world.entry().refused) == (2, 0)


class Throttling:
    """What DynamoDB answers to a boto3 client: so often that it is too busy."""

    def __init__(self, client: Any, times: int) -> None:
        self.times = times
        self.requests: Counter[str] = Counter()
        client.meta.events.register("before-send.dynamodb.*", self.answer)

    def answer(self, request: AWSRequest, **_event: object) -> AWSResponse | None:
        target = request.headers["X-Amz-Target"]
        operation = (target.decode() if isinstance(target, bytes) else target).split(".")[1]
        self.requests[operation] += 1
        if self.requests[operation] > self.times:
            return None
        headers = HTTPHeaders()
        headers["Content-Type"] = "application/x-amz-json-1.0"
        return AWSResponse(
            str(request.url), 400, headers, Said(json.dumps(error(THROTTLED)).encode())
        )


@pytest.fixture
def client(dynamodb: Any, monkeypatch: pytest.MonkeyPatch) -> Any:
    """A client of its own, as the store has it; its pauses take no time."""
    monkeypatch.setattr("botocore.endpoint.time.sleep", lambda seconds: None)
    monkeypatch.setenv("AWS_ENDPOINT_URL_DYNAMODB", dynamodb.meta.endpoint_url)
    monkeypatch.setenv("AWS_DEFAULT_REGION", REGION)
    return connect("dynamodb")


@pytest.mark.parametrize("short_cuts", [True, False])
def test_throttled_requests_are_repeated_by_botocore(
    world: TwoTables, client: Any, short_cuts: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    put_for_buyers(world, 3)
    if not short_cuts:
        monkeypatch.setattr(requests, "raw_requests", lambda client: None)
    throttling = Throttling(client, times=4)
    world.store = world.new_store(client)
    world.run()
    assert len(world.entries(State.BILLED)) == 3
    assert world.balance().billed.quantity == quantity(6)
    assert throttling.requests.keys() == {"Query", "BatchGetItem", "PutItem"} | (
        set() if short_cuts else {"TransactWriteItems", "BatchExecuteStatement"}
    )


def test_one_layer_repeats_what_is_throttled_and_ends_with_words(
    world: TwoTables, client: Any
) -> None:
    pauses: list[float] = []
    throttling = Throttling(client, times=1_000)
    store = world.new_store(client, pause=pauses.append)
    with pytest.raises(StoreBusyError, match="refused query, being throttled"):
        list(store.pending(world.clock.now(), world.policy))
    assert throttling.requests["Query"] == 10
    assert pauses == []


def test_pauses_grow_and_end_with_words(world: TwoTables) -> None:
    world.put("09:10", 5)
    pauses: list[float] = []
    store = world.new_store(pause=pauses.append)
    made = steps.plans(store, world.clock.now())
    world.client.cancel(CONFLICT, times=100)
    with pytest.raises(StoreBusyError, match="refused TransactWriteItems 10 times: throttled or"):
        store.append(made, world.clock.now())
    assert pauses[:4] == [0.05, 0.1, 0.2, 0.4]
    assert pauses[-1] == 5.0


def test_other_errors_are_not_repeated(world: TwoTables) -> None:
    world.client.refuse("query", "AccessDeniedException", times=1)
    with pytest.raises(Exception, match="AccessDenied"):
        list(world.store.pending(world.clock.now(), world.policy))
    assert world.client.requests()["query"] == 1


def test_what_was_left_unprocessed_is_asked_again(world: TwoTables) -> None:
    put_for_buyers(world, 60)
    large = [world.put(f"10:{n // 60:02d}:{n % 60:02d}", Decimal("1.000001")) for n in range(600)]
    world.client.leave_half_unprocessed(times=3)
    world.seal()
    world.client.leave_half_unprocessed(times=6)
    world.submit()
    assert len(world.entries(State.BILLED)) == 61
    assert "metering_pending" not in world.item(large[-1])
    assert world.balance().billed.records == 660


def test_an_attempt_is_begun_on_what_is_stored_not_on_what_was_read(world: TwoTables) -> None:
    """Between reading and writing another process settles the entry."""
    world.put("09:10", 5)
    world.seal()
    [due] = world.store.due(world.clock.now(), world.policy, ())

    def another_run() -> None:
        now = world.clock.now()
        steps.attempt(world.new_store(world.raw), due.key, accept(due), now)

    world.client.before("batch_execute_statement", another_run)
    assert steps.begin(world.store, due.key, world.clock.now()) is None
    assert (world.entry().state, world.entry().begun) == (State.BILLED, 1)


def test_a_release_is_refused_by_an_attempt_that_began_a_moment_before(world: TwoTables) -> None:
    world.put("09:10", 5)
    world.seal()
    entry = world.entry()
    now = world.clock.now()
    steps.stored(world.store, entry.key, now)  # remembered, without an attempt
    other = world.new_store(world.raw)
    world.client.before("transact_write_items", lambda: _begin(other, entry, world))
    assert steps.change(world.store, entry.key, lambda e: ledger.release(e, "a test"), now) is None
    assert (world.entry().state, world.entry().begun) == (State.SEALED, 1)
    assert steps.groups(world.store, now) == []


def _begin(store: object, entry: Entry, world: TwoTables) -> None:
    assert steps.begin(store, entry.key, world.clock.now()) is not None  # type: ignore[arg-type]


def test_entries_of_many_books_are_changed_together_and_each_by_itself(world: TwoTables) -> None:
    put_for_buyers(world, 40)
    world.seal()
    keys = [entry.key for entry in world.entries()]
    now = world.clock.now()
    other = world.new_store(world.raw)
    taken = keys[::7]
    for key in taken:
        steps.begin(other, key, now)
    for key in keys:
        steps.stored(world.store, key, now)
    for key in taken:
        steps.answer(other, key, 1, NotSubscribed(), now)
    world.client.log.clear()
    changed = world.store.change(keys, lambda e: ledger.begin(e, now, world.policy), now)
    assert [entry.key for entry in changed] == [key for key in keys if key not in taken]
    assert world.client.requests()["batch_execute_statement"] == 2


def test_many_expired_entries_of_one_book_are_released_whole(world: TwoTables) -> None:
    """More than one transaction takes: the book's version rises with each."""
    now = world.clock.now()
    meters = [
        Meter(PRODUCT, "111122223333", DIMENSION, f"arn:aws:license-manager::1:license:l-{n:03d}")
        for n in range(70)
    ]
    steps.record(world.store, now, *(usage("09:10", n + 1, meter=m) for n, m in enumerate(meters)))
    entries = steps.seal(world.store, now)
    assert len(entries) == 70
    deadline = max(entry.deadline for entry in entries)
    released = world.store.change(
        [entry.key for entry in entries], lambda e: ledger.expire(e, deadline), deadline
    )
    assert len(released) == 70
    assert steps.pending_quantity(world.store, deadline) == quantity(70 * 71 // 2)
    assert len(world.alarms()) == 70


@pytest.mark.parametrize("calls", range(1, 12))
def test_the_power_may_go_after_any_request(world: TwoTables, calls: int) -> None:
    """Seal, submit and write back, cut off after the n-th write; then a new process goes on."""
    world.policy = Policy(late=LateUsage.REJECT)
    keys = [world.put("09:10", 5), world.put("09:20", 6), world.put("10:10", 7)]
    left = calls

    def die() -> None:
        nonlocal left
        left -= 1
        if left == 0:
            raise PowerCutError

    for operation in ("transact_write_items", "batch_execute_statement", "batch_get_item"):
        world.client.before(operation, die, times=10_000)
    try:
        world.run()
    except PowerCutError:
        world.client.faults.clear()
        world.store = world.new_store()
        world.clock.advance(minutes=20)
    world.run()
    assert sorted(set(world.billed_quantities())) == ["11", "7"]
    assert world.balance().billed.quantity == quantity(18)
    for key in keys:
        assert str(world.item(key)["metering_response"]).startswith("billed: ")


def test_an_unforeseen_reason_is_told(world: TwoTables) -> None:
    world.put("09:10", 5)
    world.client.cancel("ItemCollectionSizeLimitExceeded")
    with pytest.raises(StoreError, match="ItemCollectionSizeLimitExceeded"):
        world.seal()
