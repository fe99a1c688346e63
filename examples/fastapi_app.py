"""Counts the API calls of each tenant of a FastAPI application, without a network call a request.

    pip install . fastapi uvicorn
    export USAGE_STORE=dynamodb://my-stack      # or sqlite:////var/lib/app/usage.db
    uvicorn examples.fastapi_app:app

The middleware records after the response: only calls that were served are usage. An upload is
metered by its size as well, in gigabytes to six decimals. What was recorded survives a kill of the
server; with several workers, those that live deliver what a dead one left.
"""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from decimal import Decimal

from fastapi import FastAPI, Request, Response

from marketplace_metering import UsageRecorder

BYTES_PER_GB = 1_000_000_000
SIX_DECIMALS = Decimal("0.000001")

# What your own sign-in knows: from an API key to the buyer's AWS account, as ResolveCustomer
# returned it when the buyer registered.
BUYER_OF_KEY = {"key-of-ada": "111122223333", "key-of-bob": "444455556666"}


def make_app(recorder: UsageRecorder) -> FastAPI:
    """The application, metered by a recorder."""

    @asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
        yield
        recorder.close()  # delivers what is left; a kill instead of this loses nothing

    app = FastAPI(lifespan=lifespan)

    @app.middleware("http")
    async def count_calls(
        request: Request, call_next: Callable[[Request], Awaitable[Response]]
    ) -> Response:
        buyer = BUYER_OF_KEY.get(request.headers.get("x-api-key", ""))
        if buyer is None:
            return Response("unknown API key", status_code=401)
        request.state.buyer = buyer
        response = await call_next(request)
        if response.status_code < 400:
            # Some microseconds: no reason to leave the event loop for it.
            recorder.record(buyer, "api_calls", 1)
        return response

    @app.get("/hello")
    async def hello() -> dict[str, str]:
        return {"hello": "world"}

    @app.post("/files")
    async def upload(request: Request) -> dict[str, int]:
        size = len(await request.body())
        gigabytes = (Decimal(size) / BYTES_PER_GB).quantize(SIX_DECIMALS)
        recorder.record(request.state.buyer, "storage_gb", gigabytes)
        return {"bytes": size}

    return app


def recorder_of_environment() -> UsageRecorder:
    """The recorder as the deployment wants it."""
    return UsageRecorder(
        os.environ.get("USAGE_STORE", "sqlite:///metering.db"),
        spool=os.environ.get("USAGE_SPOOL", "usage-spool"),
        product=os.environ.get("PRODUCT_CODE", "abc123xyz456"),
    )


def __getattr__(name: str) -> FastAPI:
    """`app`, made when the server asks for it: importing this file opens nothing."""
    if name != "app":
        raise AttributeError(name)
    app = globals()["app"] = make_app(recorder_of_environment())
    return app
