"""Puts the demo on: where its file lies, what is shown before, meanwhile and after."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from rich.console import Console

from marketplace_metering.adapters.sqlite import StoreUnusableError
from marketplace_metering.proof.demo.as_json import to_json
from marketplace_metering.proof.demo.listings import MISSPELLS, UNKNOWN_DIMENSION
from marketplace_metering.proof.demo.outcome import play
from marketplace_metering.proof.demo.restarts import restarts
from marketplace_metering.proof.demo.tables import (
    conclude,
    introduce,
    show_books,
    show_restarts,
    suggest,
)
from marketplace_metering.proof.demo.usage_file import read_lines
from marketplace_metering.proof.demo.watch import watching

FILE_NAME = "demo.db"


class StoreRefusedError(Exception):
    """The demo cannot keep its books where it was told to; the message says why."""


def perform(seed: int, store_path: str | None, console: Console, as_json: bool) -> bool:
    """Run the demo and show it; answers whether the books balance."""
    with _store_file(store_path) as path:
        began = time.perf_counter()
        lines = read_lines()
        if not as_json:
            introduce(console, seed, len(lines))
        with watching(console, is_quiet=as_json) as on_hour:
            try:
                outcome = play(seed, path, on_hour)
            except StoreUnusableError as error:
                raise StoreRefusedError(str(error)) from error
            with TemporaryDirectory(prefix="metering-demo-") as folder:
                restarted = restarts(Path(folder))
        if as_json:
            shown = to_json(outcome, restarted)
            console.out(json.dumps(shown, indent=2), highlight=False)
        else:
            show_books(console, outcome)
            show_restarts(console, restarted)
            conclude(console, outcome, restarted, time.perf_counter() - began)
            suggest(console, store_path, _refused_by_aws(lines))
    return outcome.findings.balance and restarted.is_exact


@contextmanager
def _store_file(store_path: str | None) -> Iterator[str]:
    """The new file that was asked for, or one that is gone afterwards."""
    if store_path is None:
        with TemporaryDirectory(prefix="metering-demo-") as folder:
            yield str(Path(folder) / FILE_NAME)
        return
    path = Path(store_path).absolute()
    if path.exists():
        raise StoreRefusedError(
            f"{store_path} exists, and the demo needs a new file for its books: name another one, "
            "or delete it"
        )
    if not path.parent.is_dir():
        raise StoreRefusedError(f"the folder {path.parent} does not exist: make it first")
    yield str(path)


def _refused_by_aws(lines: list[str]) -> tuple[str, int]:
    """The account and time of a usage record that is worth asking why about."""
    text = next(line for line in lines if f'"{UNKNOWN_DIMENSION}"' in line)
    return MISSPELLS.account, int(json.loads(text)["create_timestamp"])
