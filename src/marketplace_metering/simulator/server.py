"""The simulator over HTTP: AWS JSON 1.1 for SDKs and the AWS CLI, and the admin API."""

import json
import select
import socket
import sys
import threading
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import count
from socketserver import TCPServer
from typing import Final
from urllib.parse import parse_qsl, urlsplit

from marketplace_metering.simulator.admin.routes import PREFIX, Admin
from marketplace_metering.simulator.answers import Answer, Body, Loss
from marketplace_metering.simulator.clock import SimulatorClock
from marketplace_metering.simulator.faults import FaultySimulator
from marketplace_metering.simulator.marketplace import MarketplaceSimulator
from marketplace_metering.simulator.wire import CONTENT_TYPE, operation_of, region_of

BODY_MAX: Final = 16 << 20  # far above AWS's limit, whose own error should be seen up to here
POLL_SECONDS: Final = 0.05


def serve(
    host: str = "127.0.0.1",
    port: int = 4600,
    simulator: MarketplaceSimulator | None = None,
    clock: SimulatorClock | None = None,
    on_ready: Callable[[str], None] | None = None,
) -> None:
    """Serve until interrupted; `on_ready` gets the URL once connections are accepted."""
    server = _server(host, port, simulator, clock)
    try:
        if on_ready is not None:
            on_ready(server.url)
        with suppress(KeyboardInterrupt):
            server.serve_forever(POLL_SECONDS)
    finally:
        server.close()


@dataclass(frozen=True, slots=True)
class Running:
    """A simulator that serves HTTP in a thread, and everything that steers it."""

    url: str
    simulator: MarketplaceSimulator
    faults: FaultySimulator
    clock: SimulatorClock


@contextmanager
def running(
    simulator: MarketplaceSimulator | None = None,
    clock: SimulatorClock | None = None,
    host: str = "127.0.0.1",
    port: int = 0,
) -> Iterator[Running]:
    """Serve in a thread while the context lasts, on a free port unless one is given."""
    server = _server(host, port, simulator, clock)
    thread = threading.Thread(target=server.serve_forever, args=(POLL_SECONDS,), daemon=True)
    thread.start()
    try:
        yield Running(server.url, server.faulty.simulator, server.faulty, server.clock)
    finally:
        server.shutdown()
        server.close()
        thread.join()


def _server(
    host: str, port: int, simulator: MarketplaceSimulator | None, clock: SimulatorClock | None
) -> "_Server":
    faulty = FaultySimulator(simulator or MarketplaceSimulator())
    return _Server(host, port, faulty, clock or SimulatorClock())


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128

    def __init__(
        self, host: str, port: int, faulty: FaultySimulator, clock: SimulatorClock
    ) -> None:
        self.address_family = socket.AF_INET6 if ":" in host else socket.AF_INET
        super().__init__((host, port), _Handler)
        self.faulty = faulty
        self.clock = clock
        self.admin = Admin(faulty, clock)
        self.stopping = threading.Event()
        self._request_numbers = count(1)
        self._connections: set[socket.socket] = set()
        shown = f"[{host}]" if ":" in host else host
        self.url = f"http://{shown}:{self.server_address[1]}"

    def server_bind(self) -> None:
        """Bind without HTTPServer's look-up of the host's name, which can take seconds."""
        TCPServer.server_bind(self)

    def process_request_thread(self, request: object, client_address: object) -> None:
        """Remember the connection while its thread lasts, so that `close` can end it."""
        assert isinstance(request, socket.socket)
        self._connections.add(request)
        try:
            super().process_request_thread(request, client_address)
        finally:
            self._connections.discard(request)

    def next_request_id(self) -> str:
        """A number that looks like AWS's request ids."""
        return f"{next(self._request_numbers):08x}-0000-4000-8000-000000000000"

    def close(self) -> None:
        """Stop listening and end idle keep-alive connections at once."""
        self.stopping.set()
        self.server_close()
        for connection in list(self._connections):
            with suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)

    def handle_error(self, request: object, client_address: object) -> None:
        """A client that went away is no news; anything else is our bug and gets printed."""
        if not isinstance(sys.exception(), ConnectionError):
            traceback.print_exc()


class _Handler(BaseHTTPRequestHandler):
    server: _Server
    protocol_version = "HTTP/1.1"
    default_request_version = "HTTP/1.0"  # not 0.9: even a bad request line gets a full answer
    server_version = "MarketplaceSimulator"
    sys_version = ""
    disable_nagle_algorithm = True
    wbufsize = -1  # one segment for head and body

    def finish(self) -> None:
        """Close both streams even if the client went away before the last byte."""
        with suppress(ConnectionError):
            super().finish()
        self.rfile.close()

    def do_GET(self) -> None:
        self._respond()

    do_POST = do_DELETE = do_PUT = do_PATCH = do_GET  # noqa: N815 - names http.server looks for

    def date_time_string(self, timestamp: float | None = None) -> str:
        """The `Date` of an answer, by which a client learns that its clock is wrong."""
        at = self.server.clock.now().timestamp() if timestamp is None else timestamp
        return super().date_time_string(at)

    def log_message(self, format: str, *args: object) -> None:
        """Keep quiet: the admin API's `requests` is the log."""

    def send_error(self, code: int, message: str | None = None, explain: str | None = None) -> None:
        """What http.server refuses by itself (a bad request line, say), in AWS's form."""
        self.close_connection = True
        self._send(int(code), _error("MalformedHttpRequestException", message or explain or ""))

    def _respond(self) -> None:
        try:
            body = self._body()
            if body is None:
                return
            if self.path == PREFIX.rstrip("/") or self.path.startswith(PREFIX):
                url = urlsplit(self.path)
                query = dict(parse_qsl(url.query, keep_blank_values=True))
                self._send(*self.server.admin.answer(self.command, url.path, query, body))
            elif self.command != "POST":
                message = f"POST an AWS JSON 1.1 request, or see {PREFIX}health"
                self._send(404, _error("UnknownOperationException", message))
            else:
                self._finish(self._call(body))
        except (ConnectionError, TimeoutError):
            raise
        except Exception:  # noqa: BLE001 - the edge: the traceback is printed, the client told
            traceback.print_exc()
            self.close_connection = True
            message = "the simulator has a bug; its terminal shows the traceback"
            self._send(500, _error("SimulatorBug", message))

    def _body(self) -> bytes | None:
        length = self.headers.get("Content-Length", "0")
        if "Transfer-Encoding" in self.headers or not (length.isascii() and length.isdigit()):
            self.send_error(411, "send the body with a Content-Length")
            return None
        if len(length) > 12 or int(length) > BODY_MAX:
            self.send_error(413, f"the body has {length[:40]} bytes, at most {BODY_MAX}")
            return None
        return self.rfile.read(int(length))

    def _call(self, body: bytes) -> Answer:
        operation = operation_of(self.headers.get("X-Amz-Target", ""))
        region = region_of(self.headers.get("Authorization", ""))
        return self.server.faulty.answer(operation or "", body, self.server.clock.now(), region)

    def _finish(self, answer: Answer) -> None:
        if answer.delay_seconds:
            self.server.stopping.wait(answer.delay_seconds)
        match answer.loss:
            case None:
                self._send(answer.status, answer.body)
            case Loss.CONNECTION_CLOSED:
                self.close_connection = True
            case Loss.READ_TIMEOUT:
                self._keep_silent()
                self.close_connection = True

    def _keep_silent(self) -> None:
        """Hold the connection until the client gives up."""
        while not self.server.stopping.is_set():
            readable, _, _ = select.select([self.connection], [], [], POLL_SECONDS)
            if readable:
                return

    def _send(self, status: int, body: Body) -> None:
        content = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Type", CONTENT_TYPE)
        self.send_header("x-amzn-RequestId", self.server.next_request_id())
        self.send_header("Content-Length", str(len(content)))
        if self.close_connection:
            self.send_header("Connection", "close")
        self.end_headers()
        self.wfile.write(content)


def _error(code: str, message: str) -> Body:
    return {"__type": code, "message": message}
