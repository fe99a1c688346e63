"""What a call that raises says about its request: real sockets, real boto3 (rule 6).

The question in each case: had the server read the request when the call broke off? Where a byte
of it may have been sent, the answer must be `Lost`.
"""

from __future__ import annotations

import shutil
import socket
import ssl
import subprocess
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from functools import wraps
from pathlib import Path
from typing import Any

import botocore.exceptions
import botocore.session
import pytest
import urllib3.connection
import urllib3.connectionpool
import urllib3.exceptions
from boto3.session import Session
from botocore.exceptions import ClientError

from marketplace_metering.adapters.aws import failed_calls
from marketplace_metering.adapters.aws.assumed_role import connect_as
from marketplace_metering.adapters.aws.failed_calls import PLACES, ROWS, code_of, read_failure
from marketplace_metering.adapters.aws.metering_api import MarketplaceApi, connect
from marketplace_metering.core.batch import Batch
from marketplace_metering.core.outcome import Answered, Fault, Lost, RequestRefused
from tests.support.build import entry
from tests.support.clock import Clock, utc

BATCH = Batch((entry("09:00", 5),))
AWS = "https://metering.marketplace.us-east-1.amazonaws.com"
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}"
NO_TUNNEL = b"HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 0\r\n\r\n"
Handle = Callable[[socket.socket], None]


class Machine:
    """Sockets of this machine that behave badly, each until the test ends."""

    def __init__(self, stack: ExitStack, folder: Path) -> None:
        self._stack = stack
        self._folder = folder
        self.read: list[bytes] = []  # what servers were sent
        self.connections = 0

    def turn_off(self) -> None:
        """All of it at once."""
        self._stack.close()

    def _bound(self) -> socket.socket:
        bound = self._stack.enter_context(socket.socket())
        bound.bind(("127.0.0.1", 0))
        return bound

    def closed_port(self) -> int:
        """Nobody listens there, and nobody else takes it."""
        return port_of(self._bound())

    def full_port(self) -> int:
        """A connection to it is never answered: its queue is full."""
        listener = self._bound()
        listener.listen(0)
        for _ in range(4):
            waiting = self._stack.enter_context(socket.socket())
            waiting.setblocking(False)
            waiting.connect_ex(listener.getsockname())
        return port_of(listener)

    def server(self, *handlers: Handle) -> int:
        """Each connection goes to the next handler, the last one takes all that follow."""
        listener = self._bound()
        listener.listen()

        def serve() -> None:
            while True:
                try:
                    connection, _address = listener.accept()
                except OSError:
                    return
                handle = handlers[min(self.connections, len(handlers) - 1)]
                self.connections += 1
                with connection:
                    try:
                        handle(connection)
                    except OSError:
                        continue  # the client has gone

        threading.Thread(target=serve, daemon=True).start()
        self._stack.callback(listener.shutdown, socket.SHUT_RDWR)
        return port_of(listener)

    def reading(self, answer: bytes = b"", *, silent_s: float = 0) -> Handle:
        """Read a request, wait, answer with these bytes, close."""

        def handle(connection: socket.socket) -> None:
            self.read.append(whole_request(connection))
            if silent_s:
                threading.Event().wait(silent_s)
            connection.sendall(answer)

        return handle

    def certificate(self) -> Path:
        """Of a server that calls itself 127.0.0.1, with its key; nobody vouches for it."""
        openssl = shutil.which("openssl")
        if openssl is None:
            pytest.skip("openssl, which makes the certificate, is not installed")
        path = self._folder / "server.pem"
        wanted = "-x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=x -addext"
        command = [openssl, "req", *wanted.split(), "subjectAltName=IP:127.0.0.1"]
        files = ["-keyout", str(self._folder / "key"), "-out", str(self._folder / "certificate")]
        subprocess.run([*command, *files], check=True, capture_output=True)
        path.write_bytes(
            (self._folder / "key").read_bytes() + (self._folder / "certificate").read_bytes()
        )
        return path

    def over_tls(self, certificate: Path, handle: Handle) -> Handle:
        """The server's side of TLS before the handler takes over."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate)

        def shake_hands(connection: socket.socket) -> None:
            with context.wrap_socket(connection, server_side=True) as secure:
                handle(secure)

        return shake_hands


def hang_up(connection: socket.socket) -> None:
    connection.recv(9_999)


def keep_silent(connection: socket.socket) -> None:
    threading.Event().wait(2)


def port_of(bound: socket.socket) -> int:
    port: int = bound.getsockname()[1]
    return port


def whole_request(connection: socket.socket) -> bytes:
    """Head and body, or what came until the client closed."""
    read = b""
    while part := connection.recv(65_536):
        read += part
        head, end, body = read.partition(b"\r\n\r\n")
        length = [line for line in head.lower().split(b"\r\n") if line.startswith(b"content-len")]
        if end and len(body) >= int(length[0].split(b":")[1] if length else 0):
            break
    return read


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Machine]:
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY", "AWS_CA_BUNDLE"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)
    with ExitStack() as stack:
        yield Machine(stack, tmp_path)


def api(url: str | None = None, **config: Any) -> MarketplaceApi:
    config = {"proxies": {}, "connect_timeout": 0.4, "read_timeout": 0.4, **config}
    return MarketplaceApi(connect("us-east-1", endpoint_url=url, **config), a_clock(), 5)


def a_clock() -> Clock:
    return Clock(utc("12:00"))


def http(port: int) -> str:
    return f"http://127.0.0.1:{port}"


def https(port: int) -> str:
    return f"https://127.0.0.1:{port}"


# --- Certainly not sent ---------------------------------------------------------------------------


NEVER_SENT: dict[str, tuple[str, Callable[[Machine], MarketplaceApi]]] = {
    "a port that nobody listens on": (
        "EndpointConnectionError",
        lambda m: api(http(m.closed_port())),
    ),
    "a name that does not exist": (
        "EndpointConnectionError",
        lambda m: api("https://nowhere.invalid"),
    ),
    "a connection that is not answered": (
        "ConnectTimeoutError",
        lambda m: api(http(m.full_port())),
    ),
    "a dead proxy": (
        "ProxyConnectionError",
        lambda m: api(proxies={"https": http(m.closed_port())}),
    ),
    "a dead proxy, without TLS behind it": (
        "ProxyConnectionError",
        lambda m: api("http://aws.invalid", proxies={"http": http(m.closed_port())}),
    ),
    "a proxy that is not answered": (
        "ProxyConnectionError",
        lambda m: api(proxies={"https": http(m.full_port())}),
    ),
    "a proxy whose name does not exist": (
        "ProxyConnectionError",
        lambda m: api(proxies={"https": "http://nowhere.invalid:3128"}),
    ),
    "a proxy that wants a password": (
        "ProxyConnectionError",
        lambda m: api(proxies={"https": http(m.server(m.reading(NO_TUNNEL)))}),
    ),
    "a proxy that closes the connection": (
        "ConnectionClosedError",
        lambda m: api(proxies={"https": http(m.server(m.reading()))}),
    ),
    "a proxy that keeps silent": (
        "ReadTimeoutError",
        lambda m: api(proxies={"https": http(m.server(m.reading(silent_s=2)))}),
    ),
    "a server that does not speak TLS": (
        "SSLError",
        lambda m: api(https(m.server(lambda c: c.sendall(NO_TUNNEL)))),
    ),
    "a server that hangs up in the handshake": (
        "SSLError",
        lambda m: api(https(m.server(hang_up))),
    ),
    "a server that keeps silent in the handshake": (
        "ReadTimeoutError",
        lambda m: api(https(m.server(keep_silent))),
    ),
    "a certificate that nobody vouches for": (
        "SSLError",
        lambda m: api(https(m.server(m.over_tls(m.certificate(), m.reading(OK))))),
    ),
}


@pytest.mark.parametrize("case", NEVER_SENT)
def test_what_breaks_off_before_the_request_is_sent_was_certainly_not_processed(
    case: str, machine: Machine
) -> None:
    code, make = NEVER_SENT[case]
    answer = make(machine).submit(BATCH)
    assert isinstance(answer, RequestRefused), answer
    assert (answer.fault, answer.code) == (Fault.UNREACHABLE, code)
    assert answer.words.endswith("the connection was being made (name, proxy, TLS)")
    assert not any(b"UsageRecords" in read for read in machine.read)


def test_settings_of_a_proxy_that_nobody_can_read_are_a_fault_of_the_set_up() -> None:
    answer = api(proxies={"https": "http://[proxy:3128"}).submit(BATCH)
    assert isinstance(answer, RequestRefused), answer
    assert (answer.fault, answer.code) == (Fault.ACCOUNT, "HTTPClientError")
    assert answer.words.endswith("the proxy's settings were being read")


@pytest.mark.parametrize(
    "address", ["http://{}@127.0.0.1:1", "socks5://{}@nowhere.invalid:1", "http://{}@host:99999"]
)
def test_the_password_of_a_proxy_is_told_to_nobody(address: str) -> None:
    """What the errors say goes into the ledger and into notifications."""
    answer = api(proxies={"https": address.format("user:s3cret")}).submit(BATCH)
    assert isinstance(answer, RequestRefused), answer
    assert "s3cret" not in answer.words


def test_the_message_says_what_is_wrong_with_the_proxy(machine: Machine) -> None:
    port = machine.closed_port()
    answer = api(proxies={"https": http(port)}).submit(BATCH)
    assert isinstance(answer, RequestRefused)
    assert f"http://127.0.0.1:{port}" in answer.words
    assert "Connection refused" in answer.words


def test_a_dead_connection_is_replaced_and_its_dead_replacement_was_not_sent(
    machine: Machine,
) -> None:
    """The server answered once and is gone: the next call finds nobody."""
    ours = api(http(machine.server(machine.reading(OK))))
    assert isinstance(ours.submit(BATCH), Answered)
    machine.turn_off()
    answer = ours.submit(BATCH)
    assert isinstance(answer, RequestRefused)
    assert answer.fault is Fault.UNREACHABLE


# --- Nobody knows ---------------------------------------------------------------------------------


MAY_BE_SENT: dict[str, tuple[str, Callable[[Machine], MarketplaceApi]]] = {
    "a server that keeps silent": (
        "ReadTimeoutError",
        lambda m: api(http(m.server(m.reading(silent_s=2)))),
    ),
    "a server that closes the connection": (
        "ConnectionClosedError",
        lambda m: api(http(m.server(m.reading()))),
    ),
    "half a status line": (
        "ConnectionClosedError",
        lambda m: api(http(m.server(m.reading(b"HT")))),
    ),
    "a proxy that passes it on and hangs up": (
        "ProxyConnectionError",
        lambda m: api("http://aws.invalid", proxies={"http": http(m.server(m.reading()))}),
    ),
    "a proxy that passes it on and keeps silent": (
        "ReadTimeoutError",
        lambda m: api(
            "http://aws.invalid", proxies={"http": http(m.server(m.reading(silent_s=2)))}
        ),
    ),
}


@pytest.mark.parametrize("case", MAY_BE_SENT)
def test_what_breaks_off_later_may_have_been_processed(case: str, machine: Machine) -> None:
    code, make = MAY_BE_SENT[case]
    answer = make(machine).submit(BATCH)
    assert isinstance(answer, Lost), answer
    assert answer.words.startswith(f"{code}: ")
    assert any(b"UsageRecords" in read for read in machine.read)
    assert machine.connections == 1, "one attempt is one request"


def test_an_answer_that_cannot_be_deciphered_may_say_anything(
    machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """SSLError is botocore's word for a wrong certificate as well: the class alone says nothing."""
    certificate = machine.certificate()
    monkeypatch.setenv("AWS_CA_BUNDLE", str(certificate))

    def handle(secure: socket.socket) -> None:
        machine.read.append(whole_request(secure))
        with socket.socket(fileno=secure.detach()) as bare:
            bare.sendall(b"\x17\x03\x03\x00\x20" + b"?" * 32)

    answer = api(https(machine.server(machine.over_tls(certificate, handle)))).submit(BATCH)
    assert isinstance(answer, Lost), answer
    assert answer.words.startswith("SSLError: ")
    assert b"UsageRecords" in machine.read[0]


def test_a_kept_connection_that_closes_under_a_request_is_no_answer(machine: Machine) -> None:
    """AWS closes idle connections; the second request may have been read just before."""

    def twice(connection: socket.socket) -> None:
        machine.reading(OK)(connection)
        machine.reading()(connection)

    ours = api(http(machine.server(twice)))
    assert isinstance(ours.submit(BATCH), Answered)
    answer = ours.submit(BATCH)
    assert isinstance(answer, Lost), answer
    assert answer.words.startswith("ConnectionClosedError: ")
    assert (len(machine.read), machine.connections) == (2, 1)


def test_an_error_that_was_handled_before_says_nothing_about_this_call(machine: Machine) -> None:
    """Python chains it to whatever is raised meanwhile."""
    dead, hangs_up = api(http(machine.closed_port())), api(http(machine.server(machine.reading())))
    try:
        dead._client.batch_meter_usage(UsageRecords=[], ProductCode="p")
    except botocore.exceptions.EndpointConnectionError:
        assert isinstance(hangs_up.submit(BATCH), Lost)
    else:
        raise AssertionError("the port is closed")


def test_a_retry_below_botocore_hides_what_an_earlier_try_did(machine: Machine) -> None:
    """It is botocore that switches urllib3's own retries off; a later one may not."""
    port = machine.server(machine.reading(), lambda connection: None)
    pool = urllib3.HTTPConnectionPool("127.0.0.1", port, timeout=0.4)

    opened = pool._new_conn

    def dead_from_the_second_on() -> Any:
        connection = opened()
        if machine.connections:
            connection.port = machine.closed_port()
        return connection

    pool._new_conn = dead_from_the_second_on  # type: ignore[method-assign]
    retries = urllib3.Retry(1, raise_on_status=False)
    with pytest.raises(urllib3.exceptions.MaxRetryError) as raised:
        pool.urlopen("POST", "/", body=b"UsageRecords", retries=retries.new(allowed_methods=None))
    assert b"UsageRecords" in machine.read[0]
    assert isinstance(read_failure(raised.value), Lost)


def test_where_tries_cannot_be_counted_nothing_is_certain(
    machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An SDK in which the function that tries has another name."""
    ours = api(http(machine.closed_port()))
    assert isinstance(ours.submit(BATCH), RequestRefused)
    monkeypatch.setattr(failed_calls, "_URLOPEN", None)
    assert isinstance(ours.submit(BATCH), Lost)


# --- Credentials: requests, but none of ours ------------------------------------------------------


def as_a_role(machine: Machine, monkeypatch: pytest.MonkeyPatch, sts: int) -> MarketplaceApi:
    """Our request would be signed with what STS at this port hands out."""
    monkeypatch.setenv("AWS_ENDPOINT_URL_STS", http(sts))
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")
    monkeypatch.setenv("AWS_ENDPOINT_URL", http(machine.closed_port()))
    client = connect_as("arn:aws:iam::111122223333:role/metering", "", "us-east-1")
    return MarketplaceApi(client, a_clock(), 5)


def sts_says(status: bytes, code: bytes) -> bytes:
    body = b"<ErrorResponse><Error><Code>%s</Code><Message>no</Message></Error></ErrorResponse>"
    body %= code
    return b"HTTP/1.1 %s\r\nContent-Length: %d\r\n\r\n%s" % (status, len(body), body)


@pytest.mark.parametrize(
    ("status", "code", "fault"),
    [
        (b"403 Forbidden", b"AccessDenied", Fault.ACCOUNT),
        (b"400 Bad Request", b"Throttling", Fault.THROTTLED),
        (b"500 Oh", b"InternalFailure", Fault.UNREACHABLE),
    ],
)
def test_an_answer_about_credentials_is_no_answer_about_usage(
    status: bytes, code: bytes, fault: Fault, machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    sts = machine.server(machine.reading(sts_says(status, code)))
    answer = as_a_role(machine, monkeypatch, sts).submit(BATCH)
    assert isinstance(answer, RequestRefused), answer
    assert (answer.fault, answer.code) == (fault, code.decode())
    assert "credentials were being fetched" in answer.words


@pytest.mark.parametrize("hangs_up", [True, False])
def test_credentials_that_cannot_be_fetched_sign_nothing(
    hangs_up: bool, machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    sts = machine.server(machine.reading()) if hangs_up else machine.closed_port()
    answer = as_a_role(machine, monkeypatch, sts).submit(BATCH)
    assert isinstance(answer, RequestRefused), answer
    assert answer.fault is Fault.UNREACHABLE


def test_without_credentials_nothing_is_signed(
    machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    nobody = botocore.session.get_session()
    nobody.register_component("credential_provider", botocore.credentials.CredentialResolver([]))
    client = connect("us-east-1", Session(botocore_session=nobody))
    answer = MarketplaceApi(client, a_clock(), 5).submit(BATCH)
    assert isinstance(answer, RequestRefused)
    assert (answer.fault, answer.code) == (Fault.ACCOUNT, "NoCredentialsError")


# --- The table ------------------------------------------------------------------------------------


def classes(module: Any) -> set[str]:
    return {
        what.__name__
        for what in vars(module).values()
        if isinstance(what, type)
        and issubclass(what, Exception)
        and what.__module__ == module.__name__
    }


@pytest.mark.parametrize("module", [botocore.exceptions, urllib3.exceptions])
def test_each_exception_of_the_sdk_stands_in_the_table_once(module: Any) -> None:
    names = [name for row in ROWS[module.__name__] for name in row.names.split()]
    assert len(names) == len(set(names))
    assert set(names) == classes(module)


def test_a_class_that_nobody_knows_is_no_answer() -> None:
    class EndpointConnectionError(Exception):
        """Of somebody else, by the same name."""

    for error in (ValueError("?"), EndpointConnectionError("?"), TimeoutError(), OSError(111, "?")):
        assert isinstance(read_failure(error), Lost)


def test_every_place_is_one_of_the_installed_sdk() -> None:
    """A place that is not found recognises nothing, and what breaks off there is no answer."""
    assert all(code_of(name) for place in PLACES for name in place.functions)
    assert code_of("urllib3.connection:NoSuch.connect") is None
    assert None not in failed_calls._PLACE_BY_CODE


@pytest.mark.parametrize("is_named", [True, False], ids=["functools.wraps", "a bare wrapper"])
def test_a_tracer_that_wraps_the_sdk_is_no_place(
    machine: Machine, monkeypatch: pytest.MonkeyPatch, is_named: bool
) -> None:
    """Its one wrapper runs while the connection is made, and while the request is sent."""

    def traced(function: Callable[..., Any]) -> Callable[..., Any]:
        def inner(*values: Any, **names: Any) -> Any:
            return function(*values, **names)

        return wraps(function)(inner) if is_named else inner

    for owner, name in (
        (urllib3.connection.HTTPConnection, "connect"),
        (urllib3.connectionpool.HTTPConnectionPool, "urlopen"),
    ):
        monkeypatch.setattr(owner, name, traced(getattr(owner, name)))
    now = {code_of(name): place for place in PLACES for name in place.functions}
    monkeypatch.setattr(failed_calls, "_PLACE_BY_CODE", now)
    answer = api(http(machine.server(machine.reading()))).submit(BATCH)
    assert b"UsageRecords" in machine.read[0]
    assert isinstance(answer, Lost), answer


def test_each_row_says_why() -> None:
    rows = [row for rows in ROWS.values() for row in rows]
    assert all(row.why for row in rows)
    assert ClientError.__name__ not in failed_calls._FAULT_BY_CLASS
