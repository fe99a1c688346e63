"""A server of canned answers, in a process of its own: no emulator is fast enough to measure by.

It understands as much of HTTP/1.1 as boto3 speaks and keeps every connection open. What it answers
is worked out before the clock starts.
"""

from __future__ import annotations

import os
import socket
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import Any

Answer = Callable[[bytes, bytes], bytes]  # (operation, body of the request) to a body

REGION = "us-east-1"
TARGET = b"x-amz-target:"
LENGTH = b"content-length:"


@contextmanager
def served(answer: Answer, cores: Sequence[int] = ()) -> Iterator[str]:
    """The server's URL, while the context lasts; on these cores, if some are given."""
    listener = socket.create_server(("127.0.0.1", 0))
    pid = os.fork()
    if not pid:
        if cores:
            os.sched_setaffinity(0, cores)
        with suppress(KeyboardInterrupt):
            _serve(listener, answer)
        os._exit(0)
    port = listener.getsockname()[1]
    listener.close()
    try:
        yield f"http://127.0.0.1:{port}"
    finally:
        os.kill(pid, 9)
        os.waitpid(pid, 0)


def _serve(listener: socket.socket, answer: Answer) -> None:
    while True:
        connection, _address = listener.accept()
        threading.Thread(target=_talk, args=(connection, answer), daemon=True).start()


def _talk(connection: socket.socket, answer: Answer) -> None:
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    with connection, suppress(ConnectionError):
        received = bytearray()
        while chunk := connection.recv(1 << 18):
            received += chunk
            while (end := received.find(b"\r\n\r\n")) >= 0:
                head = bytes(received[:end]).lower()
                stop = end + 4 + int(_header(head, LENGTH) or 0)
                if len(received) < stop:
                    break
                body = answer(
                    _header(head, TARGET).rpartition(b".")[2], bytes(received[end + 4 : stop])
                )
                del received[:stop]
                connection.sendall(
                    b"HTTP/1.1 200 OK\r\nContent-Type: application/x-amz-json-1.0\r\n"
                    b"Content-Length: %d\r\n\r\n%b" % (len(body), body)
                )


def _header(head: bytes, name: bytes) -> bytes:
    at = head.find(name)
    return head[at + len(name) :].split(b"\r\n", 1)[0].strip() if at >= 0 else b""


def client(url: str, service: str = "dynamodb", **config: Any) -> Any:  # noqa: ANN401 - boto3's
    """A real client that speaks to the server."""
    import boto3
    from botocore.config import Config

    return boto3.session.Session(
        aws_access_key_id="benchmark",
        aws_secret_access_key="benchmark",  # noqa: S106 - nobody checks it
        region_name=REGION,
    ).client(service, endpoint_url=url, config=Config(**config))  # type: ignore[call-overload]


def split_cores() -> tuple[list[int], list[int]]:
    """One core for what is measured, and the others, if there are any, for the server."""
    cores = sorted(os.sched_getaffinity(0))
    return cores[:1], cores[1:] or cores


@contextmanager
def only_on(cores: Sequence[int]) -> Iterator[None]:
    """Keep this process to these cores."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, cores)
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


def rate(records: int, work: Callable[[], int]) -> float:
    """Records for each second that this process spends on a processor; the work counts them."""
    begun_s = time.process_time()
    done = work()
    spent_s = time.process_time() - begun_s
    assert done == records, f"{done} of {records} records were done"
    return records / spent_s
