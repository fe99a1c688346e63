"""Runs in the emulator's own environment: MiniStack, with what the guide's commands miss in it.

It imports nothing of this package, which is not installed there.
"""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from typing import Any
from uuid import uuid4


def add_event_ids(logs: Any) -> None:  # noqa: ANN401 - a module of the emulator
    """Let FilterLogEvents answer an eventId for what functions log, as AWS always does.

    MiniStack 1.5.33 gives one only to what PutLogEvents stored; `aws logs tail --follow` needs it
    to tell old lines from new ones.
    """
    answer = logs._filter_log_events

    def answer_with_ids(data: Mapping[str, Any]) -> object:
        group = logs._log_groups.get(logs._resolve_log_group_name(data), {})
        with logs._log_events_lock:
            for stream in group.get("streams", {}).values():
                for event in stream["events"]:
                    event.setdefault("eventId", str(uuid4()))
        return answer(data)

    logs._filter_log_events = answer_with_ids


def main() -> None:
    """Serve until killed."""
    add_event_ids(importlib.import_module("ministack.services.cloudwatch_logs"))
    importlib.import_module("ministack.app").main()


if __name__ == "__main__":
    main()
