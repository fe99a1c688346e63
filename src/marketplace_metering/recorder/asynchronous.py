"""`AsyncUsageRecorder`: the same recorder for coroutines."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from os import PathLike
from types import TracebackType
from typing import Self

from marketplace_metering.recorder.delivery import OnRefused
from marketplace_metering.recorder.errors import SpoolFullError
from marketplace_metering.recorder.recorder import UsageRecorder
from marketplace_metering.recorder.settings import FLUSH_INTERVAL_S, SPOOL_BYTES_MAX, WhenFull
from marketplace_metering.recorder.sinks.port import Sink
from marketplace_metering.recorder.stats import RecorderStats

FULL_PAUSE_S = 0.05


class AsyncUsageRecorder:
    """As `UsageRecorder`; what could block the event loop is done in a thread.

    Recording itself takes microseconds and is done at once, without a thread.
    """

    def __init__(
        self,
        to: str | Sink,
        *,
        spool: str | PathLike[str] | None = None,
        durable: bool = True,
        product: str | None = None,
        flush_interval: float = FLUSH_INTERVAL_S,
        when_full: WhenFull = "raise",
        spool_bytes_max: int = SPOOL_BYTES_MAX,
        fsync: bool = False,
        background: bool = True,
        on_refused: OnRefused | None = None,
    ) -> None:
        self._blocks = when_full == "block" and background
        self._fsync = fsync
        self._recorder = UsageRecorder(
            to,
            spool=spool,
            durable=durable,
            product=product,
            flush_interval=flush_interval,
            when_full="raise" if when_full == "block" else when_full,
            spool_bytes_max=spool_bytes_max,
            fsync=fsync,
            background=background,
            on_refused=on_refused,
        )

    async def record(
        self,
        account: str,
        dimension: str,
        quantity: int | Decimal,
        *,
        product: str | None = None,
        at: datetime | None = None,
        event_id: str | None = None,
        tags: Mapping[str, str] | None = None,
        license_arn: str | None = None,
    ) -> None:
        """As `UsageRecorder.record`; what it promises is kept when the await is over."""
        import asyncio

        while True:
            try:
                if self._fsync:
                    await asyncio.to_thread(
                        self._recorder.record,
                        account,
                        dimension,
                        quantity,
                        product=product,
                        at=at,
                        event_id=event_id,
                        tags=tags,
                        license_arn=license_arn,
                    )
                else:
                    self._recorder.record(
                        account,
                        dimension,
                        quantity,
                        product=product,
                        at=at,
                        event_id=event_id,
                        tags=tags,
                        license_arn=license_arn,
                    )
            except SpoolFullError:
                if not self._blocks:
                    raise
                await asyncio.sleep(FULL_PAUSE_S)
            else:
                return

    async def flush(self, timeout: float = 30.0) -> bool:
        """As `UsageRecorder.flush`."""
        import asyncio

        return await asyncio.to_thread(self._recorder.flush, timeout)

    async def close(self, timeout: float = 30.0) -> bool:
        """As `UsageRecorder.close`."""
        import asyncio

        return await asyncio.to_thread(self._recorder.close, timeout)

    def stats(self) -> RecorderStats:
        """As `UsageRecorder.stats`."""
        return self._recorder.stats()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.close()
