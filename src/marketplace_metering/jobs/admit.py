"""Each run that seals or sends is measured by the ledger's charter first (money rule 13).

The ledger decides: its policy is the one that a run works with, and a run whose settings say
otherwise, or which would send to another place, does nothing at all. See `core.charter`.
"""

from __future__ import annotations

import secrets
from collections import Counter
from collections.abc import Mapping
from dataclasses import replace

from marketplace_metering.core.charter import (
    CHARTER,
    Charter,
    Claim,
    begun,
    brought_up,
    charter_in,
    contradictions,
    shown,
)
from marketplace_metering.core.copies import BEGUN, SENDING
from marketplace_metering.core.hours import LAST
from marketplace_metering.core.ledger import Change, Entry, State
from marketplace_metering.core.policy import InvalidSettingError, Policy
from marketplace_metering.core.views import EntryFilter
from marketplace_metering.ports import Clock, Ledger, OpenStore, Ports

TRIES = 10
UNSETTLED = (State.SEALED, State.PARKED, State.UNRESOLVED)
NOTHING_DONE = "Nothing was sealed or sent"


class CharterError(Exception):
    """The ledger does not admit the caller; the message says why, with the values, and the fix."""


def chartered(ports: Ports, policy: Policy) -> Policy:
    """The policy of one run: the ledger's, where it is the ledger's. The first run writes it.

    Raises CharterError if the caller says otherwise, or would send to another place.
    """
    if ports.claim is None:
        return policy
    claim = ports.claim()
    for _try in range(TRIES):
        facts = ports.store.facts()
        charter = charter_in(facts)
        if charter is None:
            _check_may_begin(ports.store, claim, ports.clock)
            wanted = begun(claim, policy)
        else:
            _check(charter, claim)
            wanted = brought_up(charter, claim)
        applied = _applied(wanted, policy)
        if wanted == charter or ports.store.set_fact(CHARTER, str(wanted), facts.get(CHARTER)):
            return applied
    raise CharterError(f"other processes keep changing the ledger's charter. {NOTHING_DONE}")


def _applied(charter: Charter, policy: Policy) -> Policy:
    """The caller's and the ledger's settings together, where each may be fine by itself."""
    try:
        return charter.applied_to(policy)
    except InvalidSettingError as error:
        raise CharterError(
            f"{error}. {NOTHING_DONE}. Window length and grace are the ledger's: metering ledger "
            "set NAME VALUE"
        ) from error


def check_place(facts: Mapping[str, str], claim: Claim) -> None:
    """Right before a request leaves: the ledger is still billed where it would be sent to."""
    charter = charter_in(facts)
    if charter is not None:
        _check(charter, replace(claim, late=None, grace=None, retention=None, late_by_product={}))


def _check(charter: Charter, claim: Claim) -> None:
    if charter.changing is not None:
        name, _space, _sign = charter.changing.partition(" ")
        raise CharterError(
            f"the {name} of this ledger is being changed, or a change of it broke off (it says "
            f"{_value(charter, name)} so far). {NOTHING_DONE}. If nobody is at it, say it again or "
            f"say the old value: metering ledger set {name} VALUE"
        )
    found = list(contradictions(charter, claim))
    if claim.is_of_stack:  # the rest is brought up to the template
        found = [each for each in found if each.is_of_place]
    if found:
        raise CharterError(
            f"{'; '.join(map(str, found))}. {NOTHING_DONE}. "
            + " ".join(dict.fromkeys(_fix(charter, claim, each.name) for each in found))
        )


def _fix(charter: Charter, claim: Claim, name: str) -> str:
    if name == "account":
        return "Use credentials of the ledger's seller account, or name its role: METERING_ROLE_ARN"
    if claim.is_of_stack and name == "region":
        return (
            f"Set the stack back: metering deploy --metering-region {charter.region}. To move the "
            "ledger, see docs/operating/another-region.md"
        )
    if name == "region":
        return (
            f"To meter where the ledger is billed: METERING_REGION={charter.region}. To move the "
            f"ledger: metering ledger set region {claim.region}"
        )
    if charter.is_of_stack and "products" not in name and name != "window_length_hours":
        return f"Leave {name} out of the settings here: the stack's template decides on it"
    return f"Leave {name} out of the settings here, or change it: metering ledger set {name} VALUE"


def _value(charter: Charter, name: str) -> str:
    values = {
        "region": charter.region,
        "account": charter.account or "unknown",
        "window_length_hours": shown("window_length_hours", charter.window_length),
    }
    return values[name]


def _check_may_begin(store: Ledger, claim: Claim, clock: Clock) -> None:
    """Where usage of an older ledger was sent to, only a person knows."""
    if not claim.may_begin:
        raise CharterError(
            "this ledger does not say yet where it is billed: a stack's functions write that with "
            f"their first run, within five minutes of `metering deploy`. {NOTHING_DONE}. If no "
            "stack meters it, say it yourself: metering ledger set region REGION"
        )
    open_ones = 0 if claim.is_of_stack else _unanswered(store, clock)
    if open_ones:
        raise CharterError(
            f"an earlier version has sent {open_ones:,} windows of this ledger without an answer, "
            f"and did not note the region; this run says {claim.region}. {NOTHING_DONE}. Say where "
            "they were sent to, which was AWS_DEFAULT_REGION or the profile's region unless "
            "METERING_REGION was set: metering ledger set region REGION"
        )


def _unanswered(store: Ledger, clock: Clock) -> int:
    """How many unsettled windows AWS may have accepted."""
    found = 0

    def count(entry: Entry) -> Change | None:
        nonlocal found
        found += entry.begun > entry.refused
        return None

    store.change(list(store.expired(LAST)), count, clock.now())
    return found


# --- A person changes it --------------------------------------------------------------------------


def change(opened: OpenStore, name: str, wanted: Charter) -> Charter:
    """Write what a person wants; raises CharterError if something unsettled depends on it.

    Nobody is admitted while it is looked at, and what was admitted before has stored its intent
    before it looks for the last time: so nothing is on its way to the old place afterwards.
    Where nothing was ever sent by what stands there, it is only what a person said, and may have
    been a mistake.
    """
    store = opened.store
    before = charter_in(store.facts())
    if before is None or before.is_billed_as(wanted):
        _set(store, before, wanted)
        return wanted
    closed = _closed(before, name)
    _set(store, before, closed)
    left = "" if _was_only_said(opened) else _unsettled(opened)
    _set(store, closed, replace(before, changing=None) if left else wanted)
    if left:
        raise CharterError(
            f"{left} in this ledger may be billed where it says now, so {name} stays "
            f"{_value(before, name)}. Let them be settled there first: metering run, and metering "
            "resolve or write-off for what is unresolved; metering windows shows them"
        )
    return wanted


def _was_only_said(opened: OpenStore) -> bool:
    """Whether nothing was ever sent by what the charter says, from this store or its original."""
    if opened.mark is None or SENDING in opened.store.facts():
        return False
    there = opened.mark.read()
    return there is None or there.sending.number == BEGUN


def _closed(charter: Charter, name: str) -> Charter:
    """Nobody is admitted any more. With a sign of its own: what is said again is another change."""
    return replace(charter, changing=f"{name} {secrets.token_hex(6)}")


def _set(store: Ledger, before: Charter | None, wanted: Charter) -> None:
    if not store.set_fact(CHARTER, str(wanted), None if before is None else str(before)):
        raise CharterError("somebody else has changed the ledger meanwhile: look, and say it again")


def _unsettled(opened: OpenStore) -> str:
    """What may be billed and is not settled, in words; nothing if there is nothing.

    What AWS has certainly refused, or was never sent, may be sent anywhere.
    """
    counts: Counter[State] = Counter()
    for state in UNSETTLED:
        for view in opened.reports.entries(EntryFilter(state=state)):
            is_open = view.entry.begun > view.entry.refused
            counts[state] += is_open or state is State.UNRESOLVED
    return ", ".join(f"{count:,} {state} windows" for state, count in counts.items() if count)
