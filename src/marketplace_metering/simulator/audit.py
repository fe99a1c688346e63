"""What was asked and accepted, for tests: it sees what a seller of the real API never can."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import NamedTuple

from marketplace_metering.simulator.allocations import Allocation


class Window(NamedTuple):
    """What AWS bills once: one identity, buyer, dimension and hour (counted since 1970)."""

    product_code: str | None
    license_arn: str | None
    buyer: str
    dimension: str
    hour: int


class Content(NamedTuple):
    """What must never change between two attempts for one window."""

    quantity: int
    stamp: int
    allocations: tuple[Allocation, ...]


@dataclass(frozen=True, slots=True)
class Accepted:
    """A usage record that AWS accepted, and so bills."""

    metering_record_id: str
    region: str
    window: Window
    content: Content
    at: int


@dataclass(frozen=True, slots=True)
class Request:
    """One request in the log; `loss` says how its answer went missing."""

    at: int
    operation: str
    region: str
    size: int
    record_count: int
    outcome: str
    loss: str | None


@dataclass(slots=True)
class Sent:
    """How often one content was sent, and how often no refusal of it came back."""

    content: Content
    times: int = 0
    unrefused_times: int = 0


@dataclass(frozen=True, slots=True)
class Changed:
    """A window sent with several contents. Unsafe: one followed another that may be billed."""

    window: Window
    contents: tuple[Sent, ...]
    unsafe: bool


@dataclass(frozen=True, slots=True)
class BilledTwice:
    """One buyer, dimension and hour that AWS bills more than once."""

    kind: str
    records: tuple[Accepted, ...]


@dataclass(slots=True)
class Audit:
    """The simulator's log. Every entry costs constant time."""

    requests: list[Request] = field(default_factory=list)
    request_counts: Counter[str] = field(default_factory=Counter)
    record_counts: Counter[str] = field(default_factory=Counter)
    billed_twice: list[BilledTwice] = field(default_factory=list)
    duplicates: list[tuple[int, Window, Content]] = field(default_factory=list)
    _sent: dict[Window, list[Sent]] = field(default_factory=dict)
    _unsafe: set[Window] = field(default_factory=set)

    def add_request(self, request: Request) -> None:
        """Log one request and its outcome."""
        self.requests.append(request)
        self.request_counts[request.outcome] += 1

    def add_sent(self, window: Window, content: Content, *, refused: bool, outcome: str) -> None:
        """Log one record. Refused: its sender knows for certain that it is not billed."""
        self.record_counts[outcome] += 1
        contents = self._sent.setdefault(window, [])
        found = None
        for sent in contents:
            if sent.content == content:
                found = sent
            elif sent.unrefused_times:
                self._unsafe.add(window)
        if found is None:
            found = Sent(content)
            contents.append(found)
        found.times += 1
        found.unrefused_times += not refused

    def windows_with_two_contents(self) -> list[Changed]:
        """The windows that were sent with different quantities, stamps or allocations."""
        return [
            Changed(window, tuple(contents), window in self._unsafe)
            for window, contents in self._sent.items()
            if len(contents) > 1
        ]

    def sent(self) -> Iterable[tuple[Window, tuple[Sent, ...]]]:
        """Every window that was ever sent, with its contents."""
        return ((window, tuple(contents)) for window, contents in self._sent.items())
