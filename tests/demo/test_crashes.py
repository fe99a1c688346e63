"""Crashes strike before, after and within calls, by seed, and nothing else changes."""

from contextlib import suppress

import pytest

from marketplace_metering.proof.demo import crashes
from marketplace_metering.proof.demo.crashes import Crash, Peril, perilous


class Port:
    def __init__(self):
        self.calls = []

    def change(self, entry, decide):
        decide(entry)
        self.calls.append(entry)
        return "changed"

    def intake(self):
        return Port()


@pytest.fixture
def only(monkeypatch):
    """Makes one kind of place deadly and the others safe."""

    def set_odds(call: int, decision: int) -> None:
        monkeypatch.setattr(crashes, "ONE_IN", {"the store": call})
        monkeypatch.setattr(crashes, "ONE_IN_DECISIONS", decision)

    return set_odds


def test_without_peril_a_port_is_itself():
    port = Port()
    calm = perilous(port, Peril(1, is_on=False), "the store")
    assert [calm.change(n, lambda entry: None) for n in range(500)] == ["changed"] * 500
    assert port.calls == list(range(500))


def test_a_crash_before_a_call_keeps_it_from_the_world(only):
    only(call=1, decision=10**9)
    port, peril = Port(), Peril(1, is_on=True)
    with pytest.raises(Crash, match="before a call to the store"):
        perilous(port, peril, "the store").change(1, lambda entry: None)
    assert port.calls == []
    assert peril.crashes == {"before a call to the store": 1}


def test_a_crash_within_a_decision_happens_before_it_is_stored(only):
    only(call=10**9, decision=1)
    port, peril = Port(), Peril(1, is_on=True)
    with pytest.raises(Crash, match="inside a transaction"):
        perilous(port, peril, "the store").change(1, lambda entry: None)
    assert port.calls == []


def test_crashes_strike_on_both_sides_of_calls_and_of_the_intake_s_calls(only):
    only(call=3, decision=10**9)
    port, peril = Port(), Peril(2, is_on=True)
    store = perilous(port, peril, "the store")
    for _ in range(500):
        with suppress(Crash):
            store.intake().change(1, lambda entry: None)
    assert set(peril.crashes) == {"before a call to the store", "after a call to the store"}


def test_the_same_seed_crashes_at_the_same_calls(only):
    only(call=5, decision=7)

    def places(seed):
        peril = Peril(seed, is_on=True)
        store, found = perilous(Port(), peril, "the store"), []
        for number in range(300):
            try:
                store.change(number, lambda entry: None)
            except Crash as crash:
                found.append((number, crash.place))
        return found

    assert places(3) == places(3) != places(4)


def test_no_handler_of_ordinary_errors_survives_a_crash():
    assert not issubclass(Crash, Exception)
