"""How a call to AWS breaks off: the errors that botocore really raises, each made once.

The simulated network has no sockets of its own for each request: that would cost milliseconds. It
hands out these errors, which botocore and urllib3 have raised over a pair of sockets of this
process, so that the shipped table (`adapters.aws.failed_calls`) is what reads them.
"""

from __future__ import annotations

import socket
import ssl
from collections.abc import Callable
from functools import cache
from typing import Any, NamedTuple

from botocore.awsrequest import (
    AWSHTTPConnection,
    AWSHTTPConnectionPool,
    AWSHTTPSConnection,
    AWSHTTPSConnectionPool,
    AWSRequest,
)
from botocore.httpsession import URLLib3Session
from urllib3.exceptions import ConnectTimeoutError, NameResolutionError, NewConnectionError

from marketplace_metering.adapters.aws.clients import AwsClient

HOST = "metering.marketplace.us-east-1.amazonaws.com"
TLS, PLAIN = f"https://{HOST}/", f"http://{HOST}/"  # behind a terminating proxy, say
PROXY = {"http": "http://proxy.internal:3128", "https": "http://proxy.internal:3128"}
NO_TUNNEL = b"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\n\r\n"
SILENCE_S = 0.01
Fail = Callable[[Any], Exception]  # with the connection that is being made


class Way(NamedTuple):
    """One way to break off."""

    url: str = TLS
    has_proxy: bool = False
    connecting: Fail | None = None  # no connection comes about
    says: bytes | None = b""  # the other side, before it hangs up; None: nothing, and it stays
    reading: Exception | None = None  # while the answer is read


NEVER_SENT = {
    "port closed": Way(connecting=lambda to: NewConnectionError(to, "Connection refused")),
    "name not found": Way(
        connecting=lambda to: NameResolutionError(HOST, to, socket.gaierror(-2, "not known"))
    ),
    "no connection in time": Way(connecting=lambda to: ConnectTimeoutError(to, "timed out")),
    "proxy dead": Way(
        has_proxy=True, connecting=lambda to: NewConnectionError(to, "Connection refused")
    ),
    "proxy not found": Way(
        has_proxy=True,
        connecting=lambda to: NameResolutionError("proxy", to, socket.gaierror(-2, "not known")),
    ),
    "proxy not answering": Way(has_proxy=True, says=None),
    "proxy has no way to AWS": Way(has_proxy=True, says=NO_TUNNEL),
    "proxy hangs up at once": Way(has_proxy=True),
    "no TLS": Way(says=NO_TUNNEL),
    "TLS handshake cut": Way(),
    "TLS handshake silent": Way(says=None),
}
SENT = {
    "no answer in time": Way(PLAIN, says=None),
    "connection closed": Way(PLAIN),
    "connection reset": Way(PLAIN, reading=ConnectionResetError(104, "Connection reset by peer")),
    "proxy hangs up after passing on": Way(PLAIN, has_proxy=True),
    "proxy passes on, and no answer in time": Way(PLAIN, has_proxy=True, says=None),
    "answer cannot be deciphered": Way(PLAIN, reading=ssl.SSLError(1, "decryption failed")),
    "an error that nobody knows": Way(PLAIN, reading=RuntimeError("?")),
}
WAYS = {**NEVER_SENT, **SENT}


@cache
def error_of(name: str) -> Exception:
    """What botocore raises for a call that breaks off this way."""
    try:
        _call(WAYS[name])
    except Exception as error:  # noqa: BLE001 - whatever it is: that is the question
        return error
    raise AssertionError(f"{name}: the call did not break off")


def _call(way: Way) -> None:
    """One request over a pair of sockets, whose other end is here."""
    others: list[socket.socket] = []

    class Scripted:
        def _new_conn(self) -> socket.socket:
            if way.connecting is not None:
                raise way.connecting(self)
            ours, other = socket.socketpair()
            ours.settimeout(SILENCE_S)
            others.append(other)
            if way.says is not None:
                other.sendall(way.says)
                other.shutdown(socket.SHUT_WR)
            return ours

        def getresponse(self) -> object:
            if way.reading is not None:
                raise way.reading
            return super().getresponse()  # type: ignore[misc]

    session = _session(Scripted, PROXY if way.has_proxy else {})
    try:
        session.send(AWSRequest("POST", way.url, data=b"{}").prepare())
    finally:
        session.close()
        for each in others:
            each.close()


def _session(scripted: type, proxies: dict[str, str]) -> AwsClient:
    """botocore's own, but for where its connections lead."""
    make: Any = URLLib3Session  # it takes fractions of a second, though its types deny it
    session = make(verify=False, proxies=proxies, timeout=SILENCE_S)
    plain: Any = type("Plain", (scripted, AWSHTTPConnection), {})
    over_tls: Any = type("OverTls", (scripted, AWSHTTPSConnection), {})
    pools = {
        "http": type("PlainPool", (AWSHTTPConnectionPool,), {"ConnectionCls": plain}),
        "https": type("TlsPool", (AWSHTTPSConnectionPool,), {"ConnectionCls": over_tls}),
    }
    session._pool_classes_by_scheme = pools
    session._manager.pool_classes_by_scheme = pools
    return session
