"""Alarms by SNS: one summary of a run, with every quantity named."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

from marketplace_metering.adapters.aws.clients import AwsClient
from marketplace_metering.adapters.machine import describe
from marketplace_metering.core.ledger import Alarm, AlarmKind
from marketplace_metering.core.plain_text import one_line
from marketplace_metering.core.quantity import total

SUBJECT_LENGTH_MAX = 100  # SNS reference, Publish: up to 100 ASCII characters
MESSAGE_BYTES_MAX = 200_000  # ours, below SNS's 262,144
LINES_PER_KIND = 20
LINE_LENGTH_MAX = 1_000
METERS_PER_KIND = 20
METER_LENGTH_MAX = 300

# What each kind means for the reader, and what to do.
ADVICE = {
    AlarmKind.REFUSED_INPUT: "not metered until it is corrected and recorded again",
    AlarmKind.LATE_REJECTED: "not billed, because late usage is rejected by your setting",
    AlarmKind.CARRIED_ACROSS_MONTH: "billed, but in another month than it was used in",
    AlarmKind.WITHOUT_TAGS: "billed in full; AWS takes no more sets of tags for a window",
    AlarmKind.PARKED: "AWS refuses it; it is tried again hourly until its deadline",
    AlarmKind.RELEASED: "its deadline passed unbilled; correct and retry it, or write it off",
    AlarmKind.UNRESOLVED: "it may or may not be billed; compare with CloudTrail and resolve it",
    AlarmKind.WRITTEN_OFF: "given up by a person",
    AlarmKind.RESTORED: "nothing is sealed or sent until a person says what the store is",
    AlarmKind.UNSTORABLE: "it stays pending, and all else is metered; please report this",
}


class SnsNotifier:
    """Publishes one message for all alarms of a run."""

    def __init__(self, client: AwsClient, topic_arn: str, stack: str, product: str = "") -> None:
        self._client = client
        self._topic_arn = topic_arn
        self._name = f"{stack} ({product})" if product else stack

    def notify(self, alarms: Sequence[Alarm]) -> None:
        """Deliver; the kinds are attributes too, so that a subscription can filter."""
        kinds = sorted({str(alarm.kind) for alarm in alarms})
        self._client.publish(
            TopicArn=self._topic_arn,
            Subject=subject(self._name, alarms),
            Message=message(self._name, alarms),
            MessageAttributes={
                "kinds": {"DataType": "String", "StringValue": ", ".join(kinds)},
            },
        )


def subject(name: str, alarms: Sequence[Alarm]) -> str:
    """The counts in one line."""
    counts = {kind: len(same) for kind, same in _by_kind(alarms).items()}
    news = ", ".join(f"{count} {kind}" for kind, count in counts.items())
    text = f"Metering {name}: {news}".encode("ascii", "replace").decode()
    return text if len(text) <= SUBJECT_LENGTH_MAX else text[: SUBJECT_LENGTH_MAX - 3] + "..."


def message(name: str, alarms: Sequence[Alarm]) -> str:
    """A paragraph for each kind: how much of which dimension, then the windows."""
    parts = [f"Metering of {name} reports usage that is not billed as recorded."]
    for kind, same in _by_kind(alarms).items():
        parts += ["", f"{kind}: {len(same)}. What it means: {ADVICE[kind]}.", *_sums(same), ""]
        shown = (describe(alarm) for alarm in same[:LINES_PER_KIND])
        parts += [f"- {one_line(each, LINE_LENGTH_MAX)}" for each in shown]
        if len(same) > LINES_PER_KIND:
            parts.append(f"- and {len(same) - LINES_PER_KIND} more: see `metering windows`")
    text = "\n".join(parts) + "\n"
    return text.encode()[:MESSAGE_BYTES_MAX].decode(errors="ignore")


def _by_kind(alarms: Sequence[Alarm]) -> dict[AlarmKind, list[Alarm]]:
    found: defaultdict[AlarmKind, list[Alarm]] = defaultdict(list)
    for alarm in alarms:
        found[alarm.kind].append(alarm)
    return {kind: found[kind] for kind in AlarmKind if kind in found}


def _sums(alarms: Sequence[Alarm]) -> list[str]:
    """The quantity of each product and dimension, the first twenty of them."""
    found: defaultdict[str, list[Alarm]] = defaultdict(list)
    for alarm in alarms:
        meter = alarm.window.meter if alarm.window is not None else None
        found["no window" if meter is None else f"{meter.product} {meter.dimension}"].append(alarm)
    lines = []
    for what, same in sorted(found.items())[:METERS_PER_KIND]:
        known = [alarm.quantity for alarm in same if alarm.quantity is not None]
        quantity = str(total(known)) if known else "unknown"
        name = one_line(what, METER_LENGTH_MAX)
        lines.append(f"  {name}: quantity {quantity} in {len(same)} windows or inputs")
    if len(found) > METERS_PER_KIND:
        lines.append(f"  and {len(found) - METERS_PER_KIND} more products and dimensions")
    return lines
