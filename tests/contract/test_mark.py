"""The mark outside of a store, wherever it is kept: it never falls."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from itertools import count
from pathlib import Path

import pytest

from marketplace_metering.adapters.dynamodb.items.tables import create_tables, mark_definition
from marketplace_metering.adapters.dynamodb.items.tables import table_names as names_of
from marketplace_metering.adapters.dynamodb.mark import TableMark
from marketplace_metering.adapters.sqlite.mark import FileMark
from marketplace_metering.core.copies import Mark, MarkUnusableError, Sending
from marketplace_metering.ports import HighWaterMark
from marketplace_metering.proof.fake_dynamodb import FakeDynamoDb, Faults
from marketplace_metering.proof.fake_dynamodb.client import FaultInjector
from marketplace_metering.proof.fake_dynamodb.tables import Table
from tests.support.clock import utc
from tests.support.stores import NothingBetween

Open = Callable[[], HighWaterMark]
_numbers = count()


def sending(number: int, by: str = "a") -> Sending:
    return Sending(number, 0, by, utc("12:00"))


@pytest.fixture(params=["file", "dynamodb", "dynamodb-emulator"])
def mark_of(request: pytest.FixtureRequest, tmp_path: Path) -> Open:
    """Opens one and the same mark again and again, as several processes would."""
    if request.param == "file":
        (tmp_path / "metering.db").touch()
        return lambda: FileMark(str(tmp_path / "metering.db"))
    if request.param == "dynamodb-emulator":
        client = request.getfixturevalue("emulated_dynamodb")
        names = create_tables(client, f"marked-{next(_numbers)}")
        return lambda: TableMark(client, names)
    table = Table(mark_definition("marked"))
    fake = FakeDynamoDb({table.name: table}, FaultInjector(Faults(), 0), NothingBetween())
    return lambda: TableMark(fake, names_of("marked"))


def test_at_first_there_is_none(mark_of: Open) -> None:
    assert mark_of().read() is None


def test_it_rises_and_never_falls(mark_of: Open) -> None:
    assert mark_of().raise_to(sending(3)) == Mark(sending(3))
    assert mark_of().raise_to(sending(2)) == Mark(sending(3))
    assert mark_of().raise_to(sending(4, "b")) == Mark(sending(4, "b"))
    assert mark_of().read() == Mark(sending(4, "b"))


def test_of_two_with_one_number_the_first_one_stands(mark_of: Open) -> None:
    """So two copies that count alike find each other out."""
    mark_of().raise_to(sending(3, "a"))

    assert mark_of().raise_to(sending(3, "b")) == Mark(sending(3, "a"))


def test_many_at_once_leave_the_highest(mark_of: Open) -> None:
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda n: mark_of().raise_to(sending(n)), range(1, 60)))

    assert all(each.sending.number >= n for n, each in enumerate(answers, start=1))
    assert mark_of().read() == Mark(sending(59))


def test_a_table_that_is_missing_is_said() -> None:
    class Nothing:
        def get_item(self, **_wanted: object) -> None:
            from botocore.exceptions import ClientError

            raise ClientError({"Error": {"Code": "ResourceNotFoundException"}}, "GetItem")

    with pytest.raises(MarkUnusableError, match="metering deploy"):
        TableMark(Nothing(), names_of("old")).read()
