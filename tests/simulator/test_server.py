"""The HTTP surface itself: connections, wrong requests, start and stop."""

import http.client
import json
import socket
import threading
import time
from datetime import UTC, datetime
from email.utils import format_datetime
from typing import Any
from urllib.parse import urlsplit

import pytest

from marketplace_metering.simulator import Loss, MarketplaceSimulator, SimulatorClock
from marketplace_metering.simulator import server as server_module
from marketplace_metering.simulator.faults import Lost, Scheduled, Slow
from marketplace_metering.simulator.server import running, serve
from tests.simulator.world import NOW, SimulatorWorld, call, make_client, post, record

TARGET = {"X-Amz-Target": "AWSMPMeteringService.BatchMeterUsage"}


def talk(url: str, sent: bytes) -> bytes:
    """Everything the server says to some bytes."""
    address = urlsplit(url)
    assert address.hostname is not None
    with socket.create_connection((address.hostname, address.port or 80), timeout=10) as peer:
        peer.sendall(sent)
        peer.shutdown(socket.SHUT_WR)
        answer = b""
        while received := peer.recv(65536):
            answer += received
    return answer


def json_of(answer: bytes) -> Any:
    """The JSON body of raw bytes of an answer."""
    return json.loads(answer.partition(b"\r\n\r\n")[2])


def test_an_answer_is_aws_json_with_a_request_id(far: SimulatorWorld, url: str) -> None:
    connection = http.client.HTTPConnection(urlsplit(url).netloc, timeout=10)
    connection.request("POST", "/", b'{"UsageRecords":[]}', TARGET)
    response = connection.getresponse()
    assert response.status == 200
    assert response.getheader("Content-Type") == "application/x-amz-json-1.1"
    assert response.getheader("x-amzn-RequestId")
    assert response.getheader("Date") == format_datetime(far.clock.now(), usegmt=True)
    assert json.loads(response.read()) == {"Results": [], "UnprocessedRecords": []}
    connection.close()


def test_a_connection_serves_many_requests(far: SimulatorWorld, url: str) -> None:
    connection = http.client.HTTPConnection(urlsplit(url).netloc, timeout=10)
    sockets = set()
    for _ in range(3):
        connection.request("POST", "/", b"{}", TARGET)
        assert connection.getresponse().read()
        sockets.add(connection.sock)
    connection.close()
    assert len(sockets) == 1


def test_an_error_names_its_type(far: SimulatorWorld, url: str) -> None:
    status, answer = post(url, "/", b"{}", TARGET)
    assert status == 400
    assert answer["__type"] == "ValidationException"
    assert "usageRecords" in answer["message"]


@pytest.mark.parametrize("target", ["", "BatchMeterUsage", "Other.BatchMeterUsage"])
def test_another_target_is_an_unknown_operation(far: SimulatorWorld, url: str, target: str) -> None:
    status, answer = post(url, "/", b"{}", {"X-Amz-Target": target})
    assert (status, answer["__type"]) == (400, "UnknownOperationException")


@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE", "PATCH"])
def test_another_method_gets_a_hint(far: SimulatorWorld, url: str, method: str) -> None:
    status, answer = call(url, method, "/")
    assert status == 404
    assert answer["message"] == "POST an AWS JSON 1.1 request, or see /_simulator/health"


@pytest.mark.parametrize(
    ("sent", "status"),
    [
        (b"nonsense\r\n\r\n", b"400"),
        (b"BREW / HTTP/1.1\r\n\r\n", b"501"),
        (b"POST / HTTP/1.1\r\nContent-Length: x\r\n\r\n", b"411"),
        (b"POST / HTTP/1.1\r\nContent-Length: -1\r\n\r\n", b"411"),
        (b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", b"411"),
        (b"POST / HTTP/1.1\r\nContent-Length: 99999999999999\r\n\r\n", b"413"),
        (b"GET /" + b"x" * 70000 + b" HTTP/1.1\r\n\r\n", b"414"),
        (b"GET //[ HTTP/1.1\r\n\r\n", b"404"),
    ],
)
def test_malformed_http_gets_an_error_in_json(
    far: SimulatorWorld, url: str, sent: bytes, status: bytes
) -> None:
    answer = talk(url, sent)
    assert json_of(answer)["__type"]
    assert answer.startswith(b"HTTP/1.1 " + status)


def test_a_closed_connection_brings_no_byte(far: SimulatorWorld, url: str) -> None:
    far.faults.plan([Scheduled(Lost(after_acceptance=True))])
    assert talk(url, b"POST / HTTP/1.1\r\nContent-Length: 2\r\n\r\n{}") == b""


def test_a_bug_of_the_simulator_is_told_apart_from_aws(
    far: SimulatorWorld,
    url: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    def broken(*_: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(type(far.faults), "answer", broken)
    status, answer = post(url, "/", b"{}", TARGET)
    assert (status, answer["__type"]) == (500, "SimulatorBug")
    assert "ZeroDivisionError" in capsys.readouterr().err


def test_many_threads_share_one_simulator(far: SimulatorWorld, url: str) -> None:
    far.simulator.requests_per_second = None
    statuses: list[str] = []

    def send(thread: int) -> None:
        client = make_client(endpoint_url=url)
        for number in range(10):
            usage = record(Dimension=f"d{number}", Quantity=thread)
            answer = client.batch_meter_usage(UsageRecords=[usage])
            statuses.append(answer["Results"][0]["Status"])
        client.close()

    threads = [threading.Thread(target=send, args=(number,)) for number in range(1, 5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert statuses.count("Success") == 10
    assert statuses.count("DuplicateRecord") == 30


def test_idle_and_waiting_connections_end_with_the_server() -> None:
    with running() as server:
        server.faults.plan([Scheduled(Lost(True, Loss.READ_TIMEOUT)), Scheduled(Slow(60), skip=1)])
        peers = []
        for sent in (b"", *[b"POST / HTTP/1.1\r\nContent-Length: 2\r\n\r\n{}"] * 2):
            address = urlsplit(server.url)
            peer = socket.create_connection(("127.0.0.1", address.port or 80), timeout=10)
            peer.sendall(sent)
            peers.append(peer)
        for _ in range(1000):
            if len(server.simulator.audit.requests) == 2:
                break
            time.sleep(0.005)
    for peer in peers:
        peer.recv(65536)  # ends with the timeout if the server still holds the connection
        peer.close()


def test_running_uses_the_simulator_and_clock_it_is_given() -> None:
    simulator, clock = MarketplaceSimulator(strict=True), SimulatorClock(NOW, frozen=True)
    with running(simulator, clock) as server:
        assert server.simulator is simulator
        assert server.clock is clock
        status, answer = call(server.url, "GET", "/_simulator/health")
    assert (status, answer) == (
        200,
        {"status": "ok", "now": "2026-11-20T15:30:00Z", "strict": True},
    )


def test_serve_tells_its_url_and_ends_with_an_interrupt(monkeypatch: pytest.MonkeyPatch) -> None:
    urls: list[str] = []

    def interrupted(self: object, poll_interval: float) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(server_module._Server, "serve_forever", interrupted)
    serve("127.0.0.1", 0, on_ready=urls.append)
    assert urls[0].startswith("http://127.0.0.1:")


def test_a_clock_runs_on_from_where_it_is_set() -> None:
    start = datetime(2026, 11, 30, 23, tzinfo=UTC)
    clock = SimulatorClock(start)
    assert start <= clock.now() < datetime(2026, 11, 30, 23, 5, tzinfo=UTC)
    clock.advance(3600)
    assert clock.now() >= datetime(2026, 12, 1, tzinfo=UTC)
    clock.real()
    assert abs((clock.now() - datetime.now(UTC)).total_seconds()) < 60


def test_a_frozen_clock_moves_only_when_told() -> None:
    clock = SimulatorClock(NOW, frozen=True)
    assert clock.now() == clock.now() == NOW
    clock.advance(0.5)
    assert (clock.now() - NOW).total_seconds() == 0.5
    assert clock.frozen
    with pytest.raises(ValueError, match="has no time zone"):
        clock.set(NOW.replace(tzinfo=None))
