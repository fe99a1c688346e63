"""`metering demo`: a shipped day of usage, metered before your eyes. See docs/demo.md.

Everything heavy is imported when the demo runs, so that the command line stays quick.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.console import Console

BALANCED = 0
NOT_BALANCED = 1
STORE_REFUSED = 2


def run_demo(*, seed: int, store_path: str | None, console: Console, as_json: bool) -> int:
    """Run the demo; answers the exit code: 0 if the books balance, 1 if not.

    The store is kept if a path is given. It must be a new file (2 if it is not): the simulated AWS
    knows nothing of what an older ledger was promised.
    """
    from marketplace_metering.proof.demo.run import StoreRefusedError, perform

    try:
        return BALANCED if perform(seed, store_path, console, as_json) else NOT_BALANCED
    except StoreRefusedError as error:
        from rich.console import Console

        errors = Console(stderr=True, highlight=False)
        errors.print(f"Error: {error}", markup=False, soft_wrap=True)
        return STORE_REFUSED
