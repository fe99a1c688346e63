"""A worker that meters jobs of a queue which delivers some of them twice, as all queues do.

The same in Celery:

    @app.task(bind=True, acks_late=True)
    def transcode(self, job):
        do_the_work(job)
        record_job(recorder, job, self.request.id)

The id of the job is the id of the event, and the event's time is in the job since it was made.
So a job that is delivered again, to this worker or to another one, tomorrow or after a crash,
counts once. Record before you acknowledge: a crash between the two repeats the job, not the usage.
"""

from __future__ import annotations

import json
import os
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal

from marketplace_metering import InvalidUsageError, UsageRecorder


@dataclass
class Queue:
    """A broker with at-least-once delivery: what is not acknowledged comes again."""

    waiting: deque[str] = field(default_factory=deque)
    unacknowledged: list[str] = field(default_factory=list)

    def receive(self) -> str | None:
        """The next message, which stays until it is acknowledged."""
        if not self.waiting:
            return None
        message = self.waiting.popleft()
        self.unacknowledged.append(message)
        return message

    def acknowledge(self, message: str) -> None:
        """It is done."""
        self.unacknowledged.remove(message)

    def redeliver(self) -> None:
        """What a broker does when a worker died or took too long."""
        self.waiting.extend(self.unacknowledged)
        self.unacknowledged.clear()


def job_of(job_id: str, buyer: str, minutes: str, made_at: datetime) -> str:
    """A message; its time is written when the job is made and never changes."""
    return json.dumps(
        {"id": job_id, "buyer": buyer, "minutes": minutes, "made_at": made_at.isoformat()}
    )


def work(queue: Queue, recorder: UsageRecorder, do: Callable[[str], None]) -> int:
    """Do every job that waits; answers how many were done."""
    done = 0
    while (message := queue.receive()) is not None:
        job = json.loads(message)
        do(job["id"])
        try:
            recorder.record(
                job["buyer"],
                "transcoded_minutes",
                Decimal(job["minutes"]),
                at=datetime.fromisoformat(job["made_at"]),
                event_id=job["id"],
            )
        except InvalidUsageError as error:
            # The message is wrong and will not get better: put it aside for a person.
            print(f"job {job['id']} cannot be metered: {error}")  # noqa: T201
        queue.acknowledge(message)
        done += 1
    return done


def main() -> None:
    """One job that is delivered twice."""
    queue = Queue()
    made_at = datetime.now().astimezone()
    queue.waiting.extend([job_of("job-1", "111122223333", "12.5", made_at)] * 2)
    store = os.environ.get("USAGE_STORE", "sqlite:///metering.db")
    product = os.environ.get("PRODUCT_CODE", "abc123xyz456")
    with UsageRecorder(store, spool="usage-spool", product=product) as recorder:
        done = work(queue, recorder, lambda job_id: None)
        recorder.flush()
        stats = recorder.stats()
    print(f"{done} jobs done, {stats.added} usage record written")  # noqa: T201


if __name__ == "__main__":
    main()
