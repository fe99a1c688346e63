"""A simulator of the AWS Marketplace Metering API. See docs/simulator.md.

`MarketplaceSimulator` holds the rules, `FaultySimulator` adds faults, `Readings` chooses where
AWS's sources disagree, `SimulatorClock` moves time. The plugs load more and are imported by
name: `simulator.in_process.attach` answers a boto3 client without a socket,
`simulator.server.serve` and `simulator.server.running` speak HTTP.
"""

from marketplace_metering.simulator.answers import Answer, Loss
from marketplace_metering.simulator.bill import Bill, BillLine
from marketplace_metering.simulator.buyers import Registration
from marketplace_metering.simulator.clock import SimulatorClock
from marketplace_metering.simulator.faults import FaultySimulator
from marketplace_metering.simulator.marketplace import Marketplace, MarketplaceSimulator
from marketplace_metering.simulator.readings import Readings

__all__ = [
    "Answer",
    "Bill",
    "BillLine",
    "FaultySimulator",
    "Loss",
    "Marketplace",
    "MarketplaceSimulator",
    "Readings",
    "Registration",
    "SimulatorClock",
]
