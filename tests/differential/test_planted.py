"""The random stories find every bug that is planted in one of the two stores.

`docs/proof.md` shows after how many stories each of them is found.
"""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.differential.planted import PLANTED, Planted
from tests.differential.telling import stories_until_a_difference
from tests.support.stores import DYNAMODB

STORIES = 400  # the first 100 show nearly all of them; which ones depends on what is drawn
TABLE = re.compile(r"<!-- planted -->\n(.*?)<!-- end of planted -->", re.DOTALL)


@pytest.mark.parametrize("planted", PLANTED, ids=lambda planted: planted.name)
def test_every_planted_bug_is_found(planted: Planted, monkeypatch: pytest.MonkeyPatch) -> None:
    planted.plant(monkeypatch)
    assert stories_until_a_difference(DYNAMODB, STORIES) is not None


def test_the_page_shows_all_of_them() -> None:
    found = TABLE.search(Path("docs/proof.md").read_text())
    assert found is not None
    shown = re.findall(r"^\| ((?:SQLite|DynamoDB): [^|]+) \| \d+ \|$", found[1], re.MULTILINE)
    assert shown == [planted.name for planted in PLANTED]
