"""How long a run may work, so that it ends by itself and nothing is cut off half-way."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Protocol

# Between `until` and the end of the function. A job finishes the 500 books in hand. A processor
# may have just begun a request, which takes up to 35 s (connect and read timeout).
JOB_RESERVE = timedelta(seconds=60)
PROCESSOR_RESERVE = timedelta(seconds=60)
# For marks on usage records while sending goes on in further runs; 4 % of a processor's time, so
# that the request rate is kept.
MARKING_TIME = timedelta(seconds=5)


class Context(Protocol):
    """What the functions use of Lambda's context."""

    def get_remaining_time_in_millis(self) -> int:
        """Until Lambda ends this invocation by force."""


def end_of_work(now: datetime, context: Context, reserve: timedelta) -> datetime:
    """When a run has to come to its end; at least a fifth of the time left is for work."""
    left = timedelta(milliseconds=context.get_remaining_time_in_millis())
    return now + max(left - reserve, left / 5)
