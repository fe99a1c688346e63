"""One invocation of a function in a process of its own, so that it can be killed.

    python -m tests.pipeline.function job '{"scope": "everything"}'

It says that it is ready, begins when it is told to, and answers what the handler answers. The
function's environment is the process's own.
"""

from __future__ import annotations

import json
import sys
import time

from marketplace_metering.aws_lambda import job, processor

HANDLERS = {"job": (job.handler, 900), "processor": (processor.handler, 180)}


class Context:
    """Lambda's context: the function's timeout, in real time."""

    def __init__(self, timeout_s: int) -> None:
        self._ends_at = time.monotonic() + timeout_s

    def get_remaining_time_in_millis(self) -> int:
        return int((self._ends_at - time.monotonic()) * 1_000)


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def main() -> None:
    name, event = sys.argv[1:]
    handler, timeout_s = HANDLERS[name]
    _say("ready")
    sys.stdin.readline()
    answer = handler(json.loads(event), Context(timeout_s))
    _say(json.dumps({"answer": answer}))


if __name__ == "__main__":
    main()
