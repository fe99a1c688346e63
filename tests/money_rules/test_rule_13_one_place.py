"""Rule 13: a ledger has one place and one policy, whatever the shell says that happens to run."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from marketplace_metering.core.batch import Batch
from marketplace_metering.core.charter import Claim
from marketplace_metering.core.outcome import Lost
from marketplace_metering.core.policy import LateUsage
from marketplace_metering.jobs.admit import CharterError
from tests.support.build import usage
from tests.support.world import MeteringWorld

HOME = Claim(region="us-east-1", account="111122223333")


def from_a_shell(world: MeteringWorld, claim: Claim) -> None:
    """Who runs from now on."""
    world.ports = replace(world.ports, claim=lambda: claim)


@pytest.mark.parametrize(
    "other",
    [
        replace(HOME, region="eu-west-1"),
        replace(HOME, account="999988887777"),
        replace(HOME, late=LateUsage.REJECT),
        replace(HOME, grace=timedelta(minutes=1)),
    ],
    ids=["another region", "another account", "other late usage", "another grace"],
)
def test_a_shell_that_says_otherwise_seals_and_sends_nothing(
    world: MeteringWorld, other: Claim
) -> None:
    from_a_shell(world, HOME)
    world.record(usage("10:10", 5))
    world.run()
    world.record(usage("11:10", 7))
    from_a_shell(world, other)
    with pytest.raises(CharterError, match="Nothing was sealed or sent"):
        world.seal()
    from_a_shell(world, HOME)
    world.run()
    assert str(world.billed()) == "12"
    world.assert_law()


def test_a_lost_answer_is_not_asked_for_in_another_region(world: MeteringWorld) -> None:
    """AWS knows no repetition across regions: the buyer would be billed in both."""
    from_a_shell(world, HOME)
    world.record(usage("11:10", 5))
    submit = world.sent.submit

    def accepted_unheard(batch: Batch) -> Lost:
        submit(batch)
        return Lost("timeout")

    world.sent.submit = accepted_unheard  # type: ignore[method-assign]
    world.run()
    sent = len(world.sent.batches)
    from_a_shell(world, replace(HOME, region="eu-west-1"))
    with pytest.raises(CharterError, match="us-east-1"):
        world.submit()
    assert len(world.sent.batches) == sent
    assert str(world.billed()) == "5"
