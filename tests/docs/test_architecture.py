"""docs/architecture.md shows the code as it is: the drawings, the contracts, the money rules."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from marketplace_metering.core.ledger import TRANSITIONS
from tests.docs import drawings
from tests.docs.drawings import BLOCKS, NAME, PACKAGE, PAGE, ROOT, WHY, home_of, port_methods

TEXT = PAGE.read_text()


@pytest.mark.parametrize("name", BLOCKS)
def test_what_is_made_from_the_code_is_up_to_date(name: str) -> None:
    shown = {block[2]: block[0] for block in drawings.BLOCK.finditer(TEXT)}
    assert BLOCKS[name]() in shown[name], f"the block {name} is out of date: make docs"


def test_every_transition_says_why() -> None:
    assert set(WHY) == {(before, after) for before, all_ in TRANSITIONS.items() for after in all_}


def test_every_method_of_every_port_has_its_row() -> None:
    """A person who writes a third store finds each method's file in both stores."""
    rows = re.findall(r"^\| `(\w+)\.(\w+)` \| `([\w/.]+)` \| `([\w/.]+)` \|$", TEXT, re.MULTILINE)
    beside = re.findall(r"^\| `(\w+)` \| (`.+?`) \| (`.+`) \|$", TEXT, re.MULTILINE)
    shown = {port: [name for owner, name, *_ in rows if owner == port] for port, *_ in rows}
    shown |= {port: re.findall(r"`(\w+)`", names) for port, names, _ in beside}
    assert shown == dict(port_methods())
    for _port, name, in_sqlite, in_dynamodb in rows:
        for folder, path in (("sqlite", in_sqlite), ("dynamodb", in_dynamodb)):
            assert (PACKAGE / "adapters" / folder / path).is_file(), f"{name}: no {path}"


def test_what_only_hands_over_is_looked_through() -> None:
    assert home_of(_Door().ask).__name__ == "work"
    assert home_of(_Door().work).__name__ == "work"


class _Room:
    def work(self) -> int:
        """What is found."""
        two = 2
        return two + two


class _Door:
    def __init__(self) -> None:
        self._room = _Room()

    def ask(self) -> int:
        """It hands over to one that hands over."""
        return self.again()

    def again(self) -> int:
        return self._room.work()

    def work(self) -> int:
        return max(self._room.work(), 1)


_Room.__module__ = _Room.work.__module__ = f"{NAME}.planted"
_Door.again.__module__ = f"{NAME}.planted"


def test_every_part_is_described() -> None:
    parts = {
        f"{path.name}/" if path.is_dir() else path.name
        for path in PACKAGE.iterdir()
        if not path.name.startswith(("__", "py.typed"))
    }
    described = re.findall(r"^\| `([\w/.]+)` \| ", TEXT.split("# Reference")[0], re.MULTILINE)
    assert set(described) == parts and len(described) == len(parts)


def test_the_money_rules_name_code_and_tests_that_exist() -> None:
    """A newcomer finds the code of each money rule from the table."""
    rules = re.findall(r"^\| (\d+) \| (.+) \| (.+) \| (.+) \|$", TEXT, re.MULTILINE)
    assert [number for number, *_rest in rules] == [str(number) for number in range(1, 16)]
    for number, _rule, code, tests in rules:
        for path, names in re.findall(r"`([\w/]+\.py)`((?:,? ?`[\w.]+`(?! ?\())*)", code):
            source = (PACKAGE / path).read_text()
            for name in re.findall(r"`([\w.]+)`", names):
                if not name.endswith(".py") and "." not in name:
                    assert re.search(rf"\b{name}\b", source), f"rule {number}: {name} in {path}"
        for pattern in re.findall(r"`(tests/[^`]+)`", tests):
            assert list(ROOT.glob(pattern)), f"rule {number}: no {pattern}"


def test_paths_in_the_text_exist() -> None:
    """Such as `core/ledger.py`, `tests/contract`; a store's own are in its table."""
    outside_tables = "\n".join(line for line in TEXT.splitlines() if not line.startswith("|"))
    for path in re.findall(r"`((?:core|jobs|adapters|tests|cli|files)/[\w/.]*)`", outside_tables):
        there = [Path(root, path).exists() for root in (PACKAGE, ROOT)]
        assert any(there), f"docs/architecture.md names {path}"
