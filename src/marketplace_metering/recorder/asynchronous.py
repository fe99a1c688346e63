"""`AsyncUsageRecorder`: the same recorder for coroutines."""

from __future__ import annotations

from decimal import Decimal
from typing import Self, Unpack

from marketplace_metering.recorder.calls import CallOptions
from marketplace_metering.recorder.errors import SpoolFullError
from marketplace_metering.recorder.recorder import UsageRecorder
from marketplace_metering.recorder.settings import RecorderOptions
from marketplace_metering.recorder.sinks.port import Sink
from marketplace_metering.recorder.telemetry import RecorderStats

FULL_PAUSE_S = 0.05


class AsyncUsageRecorder:
    """`UsageRecorder` for coroutines: what could block the event loop is done in a thread.

        async with AsyncUsageRecorder("dynamodb://my-stack", spool="/var/lib/my-app/usage",
                                      product="abc123xyz456") as recorder:
            await recorder.record("123456789012", "api_calls", 1)

    It takes the parameters of `UsageRecorder`, with the same defaults, and raises the same errors.
    Recording takes microseconds and is done at once, without a thread, unless `fsync` is set. With
    `when_full="block"` a call that finds no room awaits it, and other coroutines go on.
    """

    def __init__(self, to: str | Sink, **options: Unpack[RecorderOptions]) -> None:
        self._waits = options.get("when_full") == "block" and options.get("background", True)
        if self._waits:
            options["when_full"] = "raise"  # so that the waiting can be done here
        self._is_slow = options.get("fsync", False)
        self._recorder = UsageRecorder(to, **options)

    async def record(
        self,
        account: str,
        dimension: str,
        quantity: int | Decimal,
        **more: Unpack[CallOptions],
    ) -> None:
        """As `UsageRecorder.record`; what it promises is kept when the await is over."""
        import asyncio

        record = self._recorder.record
        while True:
            try:
                if self._is_slow:
                    await asyncio.to_thread(record, account, dimension, quantity, **more)
                else:
                    record(account, dimension, quantity, **more)
            except SpoolFullError:
                if not self._waits:
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

    async def __aexit__(self, *_error: object) -> None:
        await self.close()
