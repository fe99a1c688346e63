"""Puts the demo on: where its file lies, what is shown before, meanwhile and after."""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path
from tempfile import TemporaryDirectory

from rich.console import Console

from marketplace_metering.adapters.sqlite import StoreUnusableError
from marketplace_metering.proof.demo.as_json import to_json
from marketplace_metering.proof.demo.outcome import play
from marketplace_metering.proof.demo.restarts import restarts
from marketplace_metering.proof.demo.tables import introduce, show, suggest
from marketplace_metering.proof.demo.usage_file import read_lines
from marketplace_metering.proof.demo.watch import watching

BALANCED = 0
NOT_BALANCED = 1
STORE_REFUSED = 2


def run_demo(*, seed: int, store_path: str | None, console: Console, as_json: bool) -> int:
    """Run the demo and show it; answers the exit code: 0 if the books balance, 1 if not.

    The store is kept if a path is given. It must be a new file (2 if it is not): the simulated AWS
    knows nothing of what an older ledger was promised.
    """
    with TemporaryDirectory(prefix="metering-demo-") as folder:
        path = Path(store_path or Path(folder) / "demo.db").absolute()
        try:
            if path.exists():
                raise StoreUnusableError(
                    f"{store_path} exists, and the demo needs a new file for its books: name "
                    "another one, or delete it"
                )
            if not path.parent.is_dir():
                raise StoreUnusableError(f"the folder {path.parent} does not exist: make it first")
            began = time.perf_counter()
            if not as_json:
                introduce(console, seed, len(read_lines()))
            with watching(console, is_quiet=as_json) as on_hour:
                outcome = play(seed, str(path), on_hour)
                restarted = restarts(Path(folder))
        except StoreUnusableError as error:
            sys.stderr.write(f"Error: {error}\n")
            return STORE_REFUSED
    if as_json:
        console.out(json.dumps(to_json(outcome, restarted), indent=2))
    else:
        show(console, outcome, restarted, time.perf_counter() - began)
        suggest(console, store_path, outcome)
    is_balanced = restarted.is_exact and not outcome.statement.complaints
    return BALANCED if is_balanced else NOT_BALANCED
