"""The factory of boto3's clients: each says itself how long it waits and how often it tries."""

from __future__ import annotations

import re
from pathlib import Path

import boto3
import pytest

from marketplace_metering.adapters.aws import clients, metering_api
from marketplace_metering.adapters.aws.clients import connect


def test_a_function_never_waits_longer_than_it_lives() -> None:
    config = connect("dynamodb").meta.config

    assert (config.connect_timeout, config.read_timeout) == (5, 20)
    assert config.max_pool_connections == 10


def test_what_is_asked_for_is_what_the_client_does(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTPS_PROXY", "http://proxy:3128")
    session = boto3.session.Session(region_name="eu-west-1")

    client = connect(
        "sqs",
        session=session,
        retries={"mode": "standard", "total_max_attempts": 3},
        connect_timeout=1,
        read_timeout=2,
        max_pool_connections=4,
        endpoint_url="http://127.0.0.1:9",
        proxies={},
    )

    config = client.meta.config
    assert (client.meta.region_name, client.meta.endpoint_url) == (
        "eu-west-1",
        "http://127.0.0.1:9",
    )
    assert (config.connect_timeout, config.read_timeout, config.max_pool_connections) == (1, 2, 4)
    assert config.retries["total_max_attempts"] == 3
    assert config.proxies == {}


def test_the_metering_api_gets_one_request_for_an_attempt(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AWS_DEFAULT_REGION")

    client = metering_api.connect()

    assert client.meta.config.retries["total_max_attempts"] == 1
    assert (client.meta.region_name, client.meta.config.read_timeout) == ("us-east-1", 30)
    assert metering_api.connect("eu-west-1").meta.region_name == "eu-west-1"


def test_nobody_else_makes_sessions_or_clients() -> None:
    """A second way to them would take its region from elsewhere, and meter there."""
    source = Path(clients.__file__).parents[2]
    makes = re.compile(r"boto3\.(session\.)?(Session|client|resource)\(|get_session\(\)")
    makers = {
        str(path.relative_to(source))
        for path in source.rglob("*.py")
        if makes.search(path.read_text())
    }
    assert makers == {
        "adapters/aws/clients.py",
        "adapters/aws/assumed_role.py",  # botocore's own sessions, with the region of `clients`
        "proof/demo/aws_over_http.py",  # reaches nothing but the simulator
    }
