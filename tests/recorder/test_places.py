"""A name leads to another table in another region or account: what waits knows where it goes.

A sum that may be in one table must not be put into another one: it would be billed twice.
"""

from __future__ import annotations

import errno
import json
import os
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from marketplace_metering import RecorderSettingError, UsageRecorder
from marketplace_metering.core.record import UsageRecord
from marketplace_metering.recorder.place import Place
from marketplace_metering.recorder.sinks.dynamodb import DynamoDBSink
from marketplace_metering.recorder.sinks.port import Delivered
from marketplace_metering.recorder.sinks.table_account import WrongAccountError
from marketplace_metering.recorder.spool.owner_lock import adopt_owner
from tests.recorder.build import BUYER, DIMENSION, OTHER, ListSink, kill, recorder
from tests.recorder.table import ACCOUNT, NAME, LostError, Table, client_of

MICROS = 1_000_000
HERE = Place("us-east-1", ACCOUNT)
ELSEWHERE = [
    Place("eu-west-1", ACCOUNT),
    Place("us-east-1", "111100009999"),
    Place("eu-west-1", "111100009999"),
]


def lose(_item: object) -> None:
    raise LostError


def to(table: Table, place: Place) -> DynamoDBSink:
    return DynamoDBSink(NAME, client=client_of(table, place.region or "", place.account))


def sums(*tables: Table) -> list[int]:
    return [int(table.quantity()) for table in tables]


def killed_after_its_put(table: Table, spool: Path) -> None:
    """Its sum is in the table; the process dies before it knows."""
    table.after = lose
    usage = recorder(to(table, HERE), spool)
    usage.record(BUYER, DIMENSION, 5)
    assert not usage.flush(timeout=0.0)
    kill(usage)
    assert table.quantity() == 5


@pytest.mark.parametrize("place", ELSEWHERE, ids=str)
def test_what_may_be_in_one_table_is_put_into_no_other(
    place: Place, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    here, there = Table(), Table()
    killed_after_its_put(here, tmp_path)
    with recorder(to(there, place), tmp_path) as successor:
        successor.record(OTHER, DIMENSION, 1)
        assert successor.flush()
        assert successor.stats().waiting_batches == 0
    assert there.quantity() == 1
    assert f"may be in dynamodb://{NAME} of us-east-1, account {ACCOUNT}" in caplog.text
    assert f"this recorder writes to {place} and leaves it alone" in caplog.text
    with recorder(to(here, HERE), tmp_path) as right:
        assert right.flush()
        assert right.stats().already_there == 1
    assert here.quantity() == 5
    assert list(tmp_path.iterdir()) == []


def test_who_left_it_alone_does_not_keep_it_from_the_right_one(tmp_path: Path) -> None:
    here, there = Table(), Table()
    killed_after_its_put(here, tmp_path)
    with recorder(to(there, ELSEWHERE[0]), tmp_path) as living:
        assert living.flush()
        with recorder(to(here, HERE), tmp_path) as right:
            assert right.flush()
            assert right.stats().already_there == 1
        assert living.flush()
    assert sums(here, there) == [5, 0]


def test_what_was_never_put_goes_where_the_next_recorder_writes(tmp_path: Path) -> None:
    usage = recorder(to(Table(), HERE), tmp_path)
    usage.record(BUYER, DIMENSION, 5)
    kill(usage)
    there = Table()
    with recorder(to(there, ELSEWHERE[0]), tmp_path):
        pass
    assert there.quantity() == 5


def test_all_batches_of_an_owner_are_left_alone_and_hold_nothing_up(tmp_path: Path) -> None:
    down = ListSink()
    down.is_down, down.at = True, HERE
    usage = recorder(down, tmp_path)
    for _ in range(3):
        usage.record(BUYER, DIMENSION, 1)
        assert not usage.flush(timeout=0.0)
    kill(usage)
    other = ListSink()
    other.at = ELSEWHERE[1]
    with recorder(other, tmp_path) as successor:
        successor.record(OTHER, DIMENSION, 2)
        assert successor.flush()
        assert successor.stats().waiting_bytes == 0
    assert other.micros == 2 * MICROS
    assert len(list(tmp_path.glob("*.jsonl"))) == 3


class LookingSink(ListSink):
    """Looks at the spool when it is asked to put."""

    def __init__(self, spool: Path) -> None:
        super().__init__()
        self.at = HERE
        self._spool = spool
        self.seen: list[str] = []

    def put(self, records: Sequence[UsageRecord]) -> Delivered:
        [owner] = self._spool.glob("*.owner")
        self.seen.append(owner.read_text().splitlines()[-1])
        return super().put(records)


def test_the_place_is_on_the_disk_before_the_first_put(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    synced: list[int] = []
    sync = os.fsync

    def noted(descriptor: int) -> None:
        synced.append(os.fstat(descriptor).st_ino)
        sync(descriptor)

    monkeypatch.setattr(os, "fsync", noted)
    sink = LookingSink(tmp_path)
    with recorder(sink, tmp_path) as usage:
        usage.record(BUYER, DIMENSION, 1)
        assert usage.flush()
        [owner] = tmp_path.glob("*.owner")
        assert json.loads(sink.seen[0]) == {"region": "us-east-1", "account": ACCOUNT}
        assert owner.stat().st_ino in synced
        usage.record(BUYER, DIMENSION, 1)
        assert usage.flush()
        assert len(owner.read_text().splitlines()) == 2, "it is noted once"


def no_room(*_anything: object) -> None:
    raise OSError(errno.ENOSPC, "No space left on device")


def test_a_place_that_cannot_be_noted_keeps_usage_waiting(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sink = ListSink()
    sink.at = HERE
    with recorder(sink, tmp_path) as usage:
        usage.record(BUYER, DIMENSION, 1)
        usage._freeze()
        with monkeypatch.context() as patch:
            patch.setattr(os, "fsync", no_room)
            assert not usage.flush(timeout=0.0)
        assert sink.puts == []
        assert "cannot note where its usage goes" in str(usage.stats().last_failure)
        assert usage.flush()
    assert sink.micros == MICROS


def test_half_a_line_says_that_nothing_was_put(tmp_path: Path) -> None:
    """A power cut at every byte: the place counts when its line is whole, as it is after fsync."""
    sink = ListSink()
    sink.at, sink.is_down = HERE, True
    usage = recorder(sink, tmp_path)
    usage.record(BUYER, DIMENSION, 1)
    assert not usage.flush(timeout=0.0)
    kill(usage)
    [path] = tmp_path.glob("*.owner")
    whole = path.read_bytes()
    begin = whole.index(b"\n")
    for length in range(begin, len(whole) + 1):
        path.write_bytes(whole[:length])
        owner = adopt_owner(path)
        assert owner is not None
        assert owner.destination == "list"
        assert owner.place == (HERE if length == len(whole) else Place())
        if length < len(whole):  # and what is noted after it counts
            owner.bind(ELSEWHERE[0])
            owner.drop()
            owner = adopt_owner(path)
            assert owner is not None
            assert owner.place == ELSEWHERE[0]
        owner.drop()


def test_a_line_that_rotted_is_left_to_a_person(tmp_path: Path) -> None:
    path = tmp_path / "0123456789abcdef01234567.owner"
    path.write_bytes(b'{"to": "list", "pid": 1}\n\x00\x00garbage\n')
    owner = adopt_owner(path)
    assert owner is not None
    assert not owner.goes_to("list")
    owner.drop()


def test_a_recorder_whose_own_settings_move_waits_until_they_come_back(tmp_path: Path) -> None:
    sink = ListSink()
    sink.at, sink.is_down = HERE, True
    with recorder(sink, tmp_path) as usage:
        usage.record(BUYER, DIMENSION, 1)
        assert not usage.flush(timeout=0.0)
        sink.at, sink.is_down = ELSEWHERE[0], False
        assert not usage.flush(timeout=0.0)
        said = str(usage.stats().last_failure)
        assert f"table of {HERE}" in said
        assert f"lead to {ELSEWHERE[0]}" in said
        assert sink.micros == 0
        sink.at = HERE
        assert usage.flush()
    assert sink.micros == MICROS


def test_a_place_that_cannot_be_found_out_keeps_usage_waiting(tmp_path: Path) -> None:
    sink = ListSink()

    def no_region() -> Place:
        raise ValueError("no region; password=secret")

    with recorder(sink, tmp_path) as usage, pytest.MonkeyPatch.context() as patch:
        patch.setattr(sink, "place", no_region)
        usage.record(BUYER, DIMENSION, 1)
        assert not usage.flush(timeout=0.0)
        assert usage.stats().last_failure == "ValueError: no region; password=***"
        assert sink.puts == []


def test_memory_asks_nobody() -> None:
    sink = ListSink()
    with pytest.MonkeyPatch.context() as patch, recorder(sink, None) as usage:
        patch.setattr(sink, "place", no_room)
        usage.record(BUYER, DIMENSION, 1)
        assert usage.flush()
    assert sink.micros == MICROS


def test_a_file_is_where_its_name_says(tmp_path: Path) -> None:
    with recorder(f"sqlite:///{tmp_path}/m.db", tmp_path / "spool") as usage:
        usage.record(BUYER, DIMENSION, 1)
        assert usage.flush()
        [owner] = (tmp_path / "spool").glob("*.owner")
        assert len(owner.read_text().splitlines()) == 1


# --- The account ----------------------------------------------------------------------------------


def unknown(table: Table, region: str = "us-east-1", named: str | None = None) -> DynamoDBSink:
    """Its credentials do not say whose they are."""
    return DynamoDBSink(NAME, client=client_of(table, region, None), account=named)


@pytest.fixture
def no_sts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL_STS", "http://127.0.0.1:9")


@pytest.mark.usefixtures("no_sts")
def test_where_nobody_knows_the_account_the_region_is_compared(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    here, there = Table(), Table()
    here.after = lose
    usage = recorder(unknown(here), tmp_path)
    usage.record(BUYER, DIMENSION, 5)
    assert not usage.flush(timeout=0.0)
    kill(usage)
    assert caplog.text.count("the account of the table is not known") == 1
    assert "dynamodb://STACK?account=NUMBER" in caplog.text
    with recorder(unknown(there, "eu-west-1"), tmp_path) as other:
        assert other.flush()
    with recorder(to(here, HERE), tmp_path) as right:
        assert right.flush()
        assert right.stats().already_there == 1
    assert sums(here, there) == [5, 0]


@pytest.mark.usefixtures("no_sts")
def test_the_application_may_name_the_account(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    here, there = Table(), Table()
    here.after = lose
    usage = recorder(unknown(here, named=ACCOUNT), tmp_path)
    usage.record(BUYER, DIMENSION, 5)
    assert not usage.flush(timeout=0.0)
    kill(usage)
    with recorder(unknown(there, named="111100009999"), tmp_path) as other:
        assert other.flush()
    assert sums(here, there) == [5, 0]
    assert "is not known" not in caplog.text


def test_credentials_of_another_account_than_the_named_one_put_nothing(tmp_path: Path) -> None:
    table = Table()
    sink = DynamoDBSink(NAME, client=client_of(table), account="111100009999")
    with pytest.raises(WrongAccountError, match=f"account 111100009999.*are of {ACCOUNT}"):
        sink.place()
    with recorder(sink, tmp_path) as usage:
        usage.record(BUYER, DIMENSION, 5)
        assert not usage.flush(timeout=0.0)
        assert "WrongAccountError" in str(usage.stats().last_failure)
        assert table.puts == 0
        sink._named_account = None
        sink._account = None
        assert usage.flush()


def test_sts_says_whose_credentials_they_are(monkeypatch: pytest.MonkeyPatch) -> None:
    from contextlib import ExitStack

    from tests.jobs.test_failed_calls import Machine

    body = (
        b"<GetCallerIdentityResponse><GetCallerIdentityResult><Account>123412341234</Account>"
        b"</GetCallerIdentityResult></GetCallerIdentityResponse>"
    )
    answer = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body)
    with ExitStack() as stack:
        machine = Machine(stack, Path())
        port = machine.server(machine.reading(answer))
        monkeypatch.setenv("AWS_ENDPOINT_URL_STS", f"http://127.0.0.1:{port}")
        sink = unknown(Table())
        assert [sink.place() for _ in range(2)] == [Place("us-east-1", "123412341234")] * 2
        assert len(machine.read) == 1, "it is asked once"


def test_a_stand_in_for_dynamodb_has_no_account_of_aws() -> None:
    url: Callable[[], Place] = DynamoDBSink(NAME, client=_local_client()).place
    assert url() == Place("us-east-1", "simulator")


def _local_client() -> object:
    import boto3

    return boto3.session.Session().client(
        "dynamodb",
        region_name="us-east-1",
        endpoint_url="http://127.0.0.1:9",
        aws_access_key_id="test",
        aws_secret_access_key="test",
        aws_account_id=ACCOUNT,
    )


@pytest.mark.parametrize("account", ["12", "11112222333x", ""])
def test_an_account_that_is_none_is_refused(account: str) -> None:
    with pytest.raises(RecorderSettingError):
        DynamoDBSink(NAME, account=account)


def test_a_url_may_name_the_account() -> None:
    sink = DynamoDBSink.of_url("dynamodb://stack?region=eu-west-1&account=111122223333")
    assert sink.name == f"dynamodb://{NAME}?region=eu-west-1"
    assert sink._named_account == "111122223333"


def test_a_region_in_the_name_is_the_place_and_not_another_store(tmp_path: Path) -> None:
    """Also in the file of an earlier version, which noted no place."""
    first = ListSink("dynamodb://t?region=eu-west-1")
    first.is_down, first.at = True, Place("eu-west-1")
    usage = recorder(first, tmp_path)
    usage.record(BUYER, DIMENSION, 1)
    assert not usage.flush(timeout=0.0)
    kill(usage)
    [path] = tmp_path.glob("*.owner")
    path.write_bytes(path.read_bytes().split(b"\n")[0])
    away = ListSink("dynamodb://t")
    away.at = HERE
    with recorder(away, tmp_path) as usage:
        assert usage.flush()
    assert not away.records
    found = ListSink("dynamodb://t")
    found.at = Place("eu-west-1", ACCOUNT)
    with recorder(found, tmp_path) as usage:
        assert usage.flush()
    assert found.micros == MICROS


def test_a_recorder_of_an_application_needs_no_new_setting(tmp_path: Path) -> None:
    table = Table()
    with UsageRecorder(to(table, HERE), spool=tmp_path, product="p", background=False) as usage:
        usage.record(BUYER, DIMENSION, 1)
    assert table.quantity() == 1
    assert table.operations == {"PutItem"}
