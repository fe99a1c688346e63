"""How a recorder is set up, checked when it is made."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, TypedDict, get_args

from marketplace_metering.core.identity import PRODUCT_CODE
from marketplace_metering.core.record import Problem, UsageRecord
from marketplace_metering.recorder.errors import RecorderSettingError

WhenFull = Literal["raise", "block", "drop"]
OnRefused = Callable[[UsageRecord, Problem], None]

FLUSH_INTERVAL_S = 10.0
FLUSH_INTERVAL_LONGEST_S = 120.0  # usage must be in the store before its hour is sealed
SPOOL_BYTES_MAX = 256 * 1024 * 1024


class RecorderOptions(TypedDict, total=False):
    """The keywords of a recorder of either kind; `UsageRecorder` explains each of them."""

    spool: str | os.PathLike[str] | None
    durable: bool
    product: str | None
    flush_interval: float
    when_full: WhenFull
    spool_bytes_max: int
    fsync: bool
    background: bool
    on_refused: OnRefused | None


@dataclass(frozen=True, slots=True, kw_only=True)
class RecorderSettings:
    """Legal settings; illegal ones do not construct."""

    spool: str | os.PathLike[str] | None = None
    durable: bool = True
    product: str | None = None
    flush_interval: float = FLUSH_INTERVAL_S
    when_full: WhenFull = "raise"
    spool_bytes_max: int = SPOOL_BYTES_MAX
    fsync: bool = False
    background: bool = True
    on_refused: OnRefused | None = None

    def __post_init__(self) -> None:
        self._check_durability()
        self._check_limits()

    def _check_durability(self) -> None:
        if self.durable and self.spool is None:
            raise RecorderSettingError(
                "usage needs a place that survives a crash: give spool='/a/directory' on a local "
                "disk that outlives the process, or pass durable=False to keep it in memory, where "
                "a crash loses up to a flush interval of usage"
            )
        if not self.durable and self.spool is not None:
            raise RecorderSettingError(
                "durable=False keeps usage in memory: leave out spool=, or leave out durable="
            )
        if self.fsync and not self.durable:
            raise RecorderSettingError("fsync=True needs a spool: leave out durable=False")

    def _check_limits(self) -> None:
        if not 0 < self.flush_interval <= FLUSH_INTERVAL_LONGEST_S:
            raise RecorderSettingError(
                f"flush_interval {self.flush_interval} refused: must be above 0 and at most "
                f"{FLUSH_INTERVAL_LONGEST_S:.0f} seconds: an hour is sealed soon after its end"
            )
        if self.when_full not in get_args(WhenFull):
            choices = ", ".join(map(repr, get_args(WhenFull)))
            raise RecorderSettingError(
                f"when_full {self.when_full!r} refused: give one of {choices}"
            )
        if self.spool_bytes_max < 65_536:
            raise RecorderSettingError(
                f"spool_bytes_max {self.spool_bytes_max} refused: must be at least 65536"
            )
        if self.product is not None and not (
            isinstance(self.product, str) and PRODUCT_CODE.fullmatch(self.product)
        ):
            raise RecorderSettingError(
                f"product {self.product!r} refused: must be 1 to 255 letters, digits or -/=:_.@; "
                "copy the product code from the AWS Marketplace Management Portal"
            )

    @property
    def directory(self) -> str:
        """Where the spool is."""
        assert self.spool is not None
        return os.path.abspath(self.spool)
