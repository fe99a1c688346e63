"""The daemon: meter every hour, and what is due in between, until stopped."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

from marketplace_metering.core.charter import charter_in, where
from marketplace_metering.core.hours import UsageHour
from marketplace_metering.core.policy import Policy
from marketplace_metering.jobs.admit import CharterError, chartered
from marketplace_metering.jobs.copies import RestoredStoreError
from marketplace_metering.jobs.deliver_alarms import deliver_alarms
from marketplace_metering.jobs.seal import SealReport, seal
from marketplace_metering.jobs.submit import SubmitReport, submit
from marketplace_metering.ports import Ports

logger = logging.getLogger("marketplace_metering.jobs.serve")

# Between the hours: entries that AWS did not answer, licences that were repaired.
TICK = timedelta(minutes=5)


@dataclass(frozen=True, slots=True)
class Tick:
    """What one round did."""

    sealed: SealReport
    submitted: SubmitReport


def serve(
    ports: Ports, policy: Policy, stop: threading.Event, on_tick: Callable[[Tick], None]
) -> None:
    """Run until `stop` is set; a round under way ends after the request that is being made.

    An error of one round is logged and the next one tries again: nothing is lost by it. Only a
    ledger that does not admit this caller is said at once: raises CharterError.
    """
    policy = _begin(ports, policy)
    while not stop.is_set():
        started_at = ports.clock.now()
        try:
            on_tick(run_once(ports, policy, stop))
        except (RestoredStoreError, CharterError) as error:
            logger.error("%s", error)
        except Exception:
            logger.exception("this round failed; the next one continues from there")
        pause = next_tick(started_at, policy) - ports.clock.now()
        stop.wait(min(pause, TICK).total_seconds())  # even if the clock was set meanwhile


def _begin(ports: Ports, policy: Policy) -> Policy:
    try:
        policy = chartered(ports, policy)
        logger.info("%s", where(charter_in(ports.store.facts())))
    except CharterError:
        raise
    except Exception:
        logger.exception("the store cannot be used yet; each round tries again")
    return policy


def run_once(ports: Ports, policy: Policy, stop: threading.Event) -> Tick:
    """Seal closed hours, send what is due, tell people."""
    sealed = seal(ports, policy)
    submitted = submit(ports, policy, should_stop=stop.is_set)
    deliver_alarms(ports)
    return Tick(sealed, submitted)


def next_tick(started_at: datetime, policy: Policy) -> datetime:
    """Right after the grace of the current hour, or the next round in between if that is sooner."""
    sealable_at = UsageHour.of(started_at - policy.grace).end + policy.grace + timedelta(seconds=1)
    return min(sealable_at, started_at + TICK)
