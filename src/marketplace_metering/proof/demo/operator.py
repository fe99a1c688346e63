"""What the alarm "unresolved" asks of a person: look the window up in AWS's log, then decide.

An answer was lost and the deadline passed: AWS may have billed the window or not. The product
never guesses; here the demo plays the person, with the simulator's usage in place of CloudTrail.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime

from marketplace_metering.core.identity import Window
from marketplace_metering.core.ledger import AlarmKind, Entry, State
from marketplace_metering.core.wire import epoch_s
from marketplace_metering.jobs.correct import Finding, resolve, write_off
from marketplace_metering.ports import EntryFilter, OpenStore
from marketplace_metering.proof.demo.world import DemoWorld

AUTHOR = "the demo"


@dataclass(slots=True)
class LookUps:
    """Which unresolved windows AWS had billed, and which were written off."""

    billed: set[Window] = field(default_factory=set)
    written_off: set[Window] = field(default_factory=set)


def clear_unresolved(world: DemoWorld, opened: OpenStore, done: LookUps) -> None:
    """Settle every unresolved entry by what AWS's log says."""
    log = {
        (
            usage["productCode"],
            usage["customerAWSAccountId"],
            usage["dimension"],
            epoch_s(datetime.fromisoformat(usage["timestamp"])),
        )
        for usage in world.ask_aws("usage")["usage"]
    }
    refusals = {
        alarm.window: alarm.text for alarm in world.pager.alarms if alarm.kind is AlarmKind.PARKED
    }
    for view in list(opened.reports.entries(EntryFilter(state=State.UNRESOLVED))):
        window = view.entry.window
        meter, which, now = window.meter, _only(view.entry), world.clock.now()
        if (meter.product, meter.account, meter.dimension, epoch_s(view.entry.stamp)) in log:
            done.billed.add(window)
            finding = Finding(True, AUTHOR, "AWS's log has the window")
            resolve(opened, which, finding, now)
        else:
            done.written_off.add(window)
            why = f"AWS's log has no such window. {refusals.get(window, '')}".rstrip()
            write_off(opened, which, AUTHOR, why, now)


def _only(entry: Entry) -> EntryFilter:
    meter = entry.window.meter
    return EntryFilter(
        product=meter.product,
        account=meter.account,
        dimension=meter.dimension,
        license_arn=meter.license_arn,
        hour=entry.window.hour,
        state=State.UNRESOLVED,
    )
