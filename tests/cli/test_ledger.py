"""The ledger says where it is billed and by which policy; who says otherwise is refused."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from marketplace_metering import wiring
from marketplace_metering.adapters.aws import clients, metering_api, seller_account
from marketplace_metering.aws_lambda import app as functions
from marketplace_metering.core.charter import Charter
from marketplace_metering.core.policy import LateUsage
from marketplace_metering.jobs.admit import CharterError
from marketplace_metering.jobs.seal import seal
from marketplace_metering.jobs.submit import submit
from marketplace_metering.proof.fake_dynamodb import Faults
from marketplace_metering.proof.fake_dynamodb.tables import Table
from marketplace_metering.simulator.faults import Lost, Scheduled
from marketplace_metering.simulator.server import Running
from tests.cli.conftest import Metering, usage
from tests.support.stand_in import StandIn

ACCOUNT = "111122223333"
STACK = "dynamodb://shop"


def _hours_ago(hours: float) -> int:
    return int((time.time() - hours * 3_600) * 1_000)


def _lose(simulator: Running, times: int) -> None:
    simulator.faults.plan([Scheduled(Lost(after_acceptance=True), times=times)])


def _billed(simulator: Running) -> list[tuple[str, int]]:
    accepted = simulator.simulator.accepted
    return [(each.region, each.content.quantity // 1_000_000) for each in accepted]


def _json(metering: Metering, *command: str) -> dict[str, Any]:
    value: dict[str, Any] = json.loads(metering(*command, "--json").stdout)
    return value


# --- One machine


def test_five_lost_answers_and_then_another_region(
    metering: Metering, simulator: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    metering("record", "-", stdin=usage(create_timestamp=_hours_ago(2)))
    _lose(simulator, 5)
    assert metering("run").exit_code == 4
    simulator.faults.plan([])
    for name in ("AWS_DEFAULT_REGION", "AWS_REGION", "METERING_REGION"):
        monkeypatch.setenv(name, "eu-west-1")
        for command in ("run", "submit", "seal", "serve"):
            refused = metering(command)
            assert refused.exit_code == 2, (name, command)
            said = f"region: this run says eu-west-1 ({name}), the ledger says us-east-1"
            assert said in refused.stderr
            assert "METERING_REGION=us-east-1" in refused.stderr
    assert _billed(simulator) == [("us-east-1", 5)]

    monkeypatch.setenv("METERING_REGION", "us-east-1")
    assert metering("run").exit_code == 0
    assert _billed(simulator) == [("us-east-1", 5)]


def test_the_region_is_taken_from_where_the_aws_cli_takes_it(
    metering: Metering, simulator: Running, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """The documented line: export AWS_PROFILE=seller AWS_REGION=us-east-1."""
    config = tmp_path / "config"
    config.write_text("[profile seller]\nregion = eu-west-1\n")
    monkeypatch.setenv("AWS_CONFIG_FILE", str(config))
    monkeypatch.setattr("boto3.DEFAULT_SESSION", None)  # that of an earlier test read another file
    monkeypatch.setenv("AWS_PROFILE", "seller")
    monkeypatch.delenv("AWS_DEFAULT_REGION")
    monkeypatch.setenv("AWS_REGION", "us-east-1")
    metering("record", "-", stdin=usage(create_timestamp=_hours_ago(2)))
    ran = metering("run")
    assert "metering in us-east-1, seller account simulator" in ran.stdout
    assert _billed(simulator) == [("us-east-1", 5)]
    assert clients.usual_region() == ("us-east-1", "AWS_REGION")

    monkeypatch.delenv("AWS_REGION")
    assert clients.usual_region() == ("eu-west-1", "the AWS profile")
    assert metering("run").exit_code == 2
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    assert metering("run").exit_code == 0


def test_every_client_takes_its_region_from_aws_region(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_REGION", "eu-north-1")
    assert clients.connect("dynamodb").meta.region_name == "eu-north-1"
    assert metering_api.connect().meta.region_name == "eu-north-1"
    assert clients.open_session(region="eu-west-2").region_name == "eu-west-2"
    monkeypatch.setenv("AWS_REGION", "")
    assert clients.connect("dynamodb").meta.region_name == "us-east-1"


def test_nothing_is_said_and_the_ledger_says_the_region(
    metering: Metering, simulator: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-west-1")
    metering("record", "-", stdin=usage(create_timestamp=_hours_ago(2)))
    metering("run")
    monkeypatch.delenv("AWS_DEFAULT_REGION")
    monkeypatch.setenv("AWS_CONFIG_FILE", "/nowhere")
    metering("record", "-", stdin=usage(create_timestamp=_hours_ago(3)))
    assert metering("run").exit_code == 0
    assert {region for region, _quantity in _billed(simulator)} == {"eu-west-1"}


def test_another_account_is_refused(metering: Metering, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("METERING_ACCOUNT", ACCOUNT)
    assert f"seller account {ACCOUNT}" in metering("run").stdout
    monkeypatch.setenv("METERING_ROLE_ARN", "arn:aws:iam::444455556666:role/Metering")
    refused = metering("run")
    assert refused.exit_code == 2
    assert f"account: this run says 444455556666, the ledger says {ACCOUNT}" in refused.stderr
    monkeypatch.setenv("METERING_ROLE_ARN", "nonsense")
    assert metering("run").exit_code == 2


def test_policy_is_written_once_and_a_setting_that_says_otherwise_is_refused(
    metering: Metering, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("METERING_LATE", "hold")
    metering("run")
    monkeypatch.delenv("METERING_LATE")
    assert _json(metering, "status")["ledger"]["late"] == "hold"
    assert metering("run").exit_code == 0
    for name, value in {
        "METERING_LATE": "carry",
        "METERING_GRACE_SECONDS": "60",
        "METERING_WINDOW_LENGTH_HOURS": "12",
    }.items():
        with monkeypatch.context() as here:
            here.setenv(name, value)
            refused = metering("run")
            assert refused.exit_code == 2
            setting = name.removeprefix("METERING_").lower()
            assert f"{setting}: this run says {value}, the ledger says" in refused.stderr
            assert f"metering ledger set {setting}" in refused.stderr
            if setting != "window_length_hours":
                assert metering("ledger", "set", setting, value).exit_code == 0
                assert metering("run").exit_code == 0


def test_a_products_own_late_policy(metering: Metering, tmp_path: Path) -> None:
    config = tmp_path / "metering.toml"
    config.write_text('[products.abc]\nlate = "hold"\n')
    metering("run", "--config", str(config))
    assert metering("run").exit_code == 0
    config.write_text('[products.abc]\nlate = "reject"\n')
    refused = metering("run", "--config", str(config))
    assert "products.abc.late: this run says reject, the ledger says hold" in refused.stderr
    assert metering("ledger", "set", "products.abc.late", "reject").exit_code == 0
    assert metering("run", "--config", str(config)).exit_code == 0
    assert _json(metering, "ledger", "show")["ledger"]["products.abc.late"] == "reject"


def test_a_ledger_moves_when_nothing_is_unsettled(metering: Metering, simulator: Running) -> None:
    metering("record", "-", stdin=usage(create_timestamp=_hours_ago(2)))
    _lose(simulator, 5)
    metering("run")
    refused = metering("ledger", "set", "region", "eu-west-1")
    assert refused.exit_code == 2
    assert "1 sealed windows" in refused.stderr
    assert "region stays us-east-1" in refused.stderr
    simulator.faults.plan([])
    assert metering("run").exit_code == 0

    assert metering("ledger", "set", "region", "eu-west-1").exit_code == 0

    assert "metering in eu-west-1" in metering("status").stdout
    assert metering("run").exit_code == 2  # the shell still says us-east-1


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("region", "nowhere"),
        ("account", "12"),
        ("late", "perhaps"),
        ("patience", "3"),
        ("grace_seconds", "1e9"),
        ("record_retention_days", "0.5"),
        ("window_length_hours", "-1"),
    ],
)
def test_what_cannot_be_is_refused(name: str, value: str, metering: Metering) -> None:
    metering("run")
    assert metering("ledger", "set", "--", name, value).exit_code == 2


@pytest.mark.parametrize("value", ["nan", "-inf", "1e300", "1e99999"])
def test_what_is_no_span_of_time_is_refused(
    value: str, metering: Metering, monkeypatch: pytest.MonkeyPatch
) -> None:
    metering("ledger", "set", "region", "us-east-1")
    for name in ("window_length_hours", "grace_seconds", "record_retention_days"):
        assert metering("ledger", "set", name, "--", value).exit_code == 2
    monkeypatch.setenv("METERING_PATIENCE_SECONDS", value)
    refused = metering("status")
    assert refused.exit_code == 2
    assert f"patience_seconds = {value} refused: must be a number" in refused.stderr


def test_a_ledger_that_nobody_has_begun(metering: Metering) -> None:
    assert "the first run writes it" in metering("ledger", "show").stdout
    assert _json(metering, "ledger", "show")["ledger"] is None
    assert metering("ledger", "set", "late", "hold").exit_code == 2
    assert metering("ledger", "set", "region", "us-east-1").exit_code == 0
    assert metering("run").exit_code == 0


def test_an_earlier_versions_ledger_asks_where_its_unanswered_windows_went(
    metering: Metering, simulator: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    metering("record", "-", stdin=usage(create_timestamp=_hours_ago(2)))
    _lose(simulator, 5)
    metering("run")
    with wiring.open_store("sqlite:///metering.db").store.connection as connection:  # type: ignore[attr-defined]
        connection.execute("DELETE FROM fact WHERE name = 'charter'")
    connection.close()
    simulator.faults.plan([])
    monkeypatch.setenv("AWS_REGION", "eu-west-1")
    asked = metering("run")
    assert asked.exit_code == 2
    assert "sent 1 windows of this ledger without an answer" in asked.stderr
    assert metering("ledger", "set", "region", "us-east-1").exit_code == 0
    assert metering("run").exit_code == 2
    monkeypatch.setenv("AWS_REGION", "us-east-1")
    assert metering("run").exit_code == 0
    assert _billed(simulator) == [("us-east-1", 5)]


def test_a_region_that_was_mistyped_before_anything_was_sent_can_be_said_again(
    metering: Metering, simulator: Running
) -> None:
    metering("record", "-", stdin=usage(create_timestamp=_hours_ago(2)))
    _lose(simulator, 5)
    metering("run")
    with wiring.open_store("sqlite:///metering.db").store.connection as connection:  # type: ignore[attr-defined]
        connection.execute("DELETE FROM fact")  # as an earlier version leaves it
    connection.close()
    Path("metering.db.mark").unlink()
    simulator.faults.plan([])
    assert metering("ledger", "set", "region", "eu-west-1").exit_code == 0
    assert metering("run").exit_code == 2
    assert metering("ledger", "set", "region", "us-east-1").exit_code == 0
    _lose(simulator, 5)
    assert metering("run").exit_code == 4
    assert metering("ledger", "set", "region", "eu-west-1").exit_code == 2
    simulator.faults.plan([])
    assert metering("run").exit_code == 0
    assert _billed(simulator) == [("us-east-1", 5)]


def test_a_change_that_broke_off_is_said_by_status(metering: Metering) -> None:
    metering("run")
    store = wiring.open_store("sqlite:///metering.db").store
    before = store.facts()["charter"]
    after = before.replace('"changing": null', '"changing": "region 12ab"')
    assert store.set_fact("charter", after, before)
    assert metering("run").exit_code == 2
    shown = metering("status", "--check")
    assert shown.exit_code == 3
    assert "metering ledger set region VALUE" in shown.stderr
    assert metering("ledger", "set", "region", "us-east-1").exit_code == 0
    assert metering("status", "--check").exit_code == 0


def test_every_run_says_where(metering: Metering) -> None:
    for command in ("seal", "submit", "run"):
        assert "metering in us-east-1, seller account simulator" in metering(command).stdout
        report = _json(metering, command)
        assert (report["region"], report["account"]) == ("us-east-1", "simulator")
    assert "policy: window_length_hours 24, late carry" in metering("status").stdout


def test_the_account_is_asked_of_sts_once(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []

    class Sts:
        class meta:  # noqa: N801 - as boto3
            endpoint_url = "https://sts.us-east-1.amazonaws.com"

        def get_caller_identity(self) -> dict[str, str]:
            asked.append("asked")
            return {"Account": ACCOUNT}

    monkeypatch.setattr(seller_account, "connect", lambda service, **_more: Sts())
    account = seller_account.SellerAccount(metering_api.connect())
    assert [account(), account()] == [ACCOUNT, ACCOUNT]
    assert asked == ["asked"]


def test_sts_is_forbidden_and_the_account_is_unknown(monkeypatch: pytest.MonkeyPatch) -> None:
    def forbidden(service: str, **_more: object) -> None:
        raise ConnectionError("no route to STS")

    monkeypatch.setattr(seller_account, "connect", forbidden)
    assert seller_account.SellerAccount(metering_api.connect())() is None


# --- A stack on AWS


class Stack:
    """Tables, and the functions that the template makes."""

    tables: Mapping[str, Table] = {}

    def __init__(self, **parameters: str) -> None:
        self.environment = {
            "METERING_STORE": STACK,
            "METERING_QUEUE_URL": "queue",
            "METERING_TOPIC_ARN": "topic",
            "METERING_REGION": "eu-west-1",
            "METERING_ACCOUNT": ACCOUNT,
            "METERING_LATE": "carry",
            "METERING_GRACE_SECONDS": "300",
            "METERING_RECORD_RETENTION_DAYS": "0",
            "METERING_RETRY_FIRST_SECONDS": "0.01",
            **parameters,
        }

    def run(self) -> None:
        made = functions.connect_all(self.environment, sends=True).app()
        seal(made.ports, made.policy)
        submit(made.ports, made.policy)


Deploy = Callable[..., Stack]


@pytest.fixture
def deploy(metering: Metering, monkeypatch: pytest.MonkeyPatch) -> Deploy:
    """A stack whose tables are in memory, and a shell that says METERING_STORE and AWS_REGION."""
    client = StandIn("shop", Faults())
    original = clients.connect

    def connect(service: str, **more: Any) -> Any:
        return client if service == "dynamodb" else original(service, **more)

    monkeypatch.setattr(clients, "connect", connect)
    monkeypatch.setenv("METERING_STORE", STACK)
    monkeypatch.setenv("AWS_REGION", "us-east-1")
    monkeypatch.setattr(Stack, "tables", client.tables)
    return Stack


def test_a_stack_meters_elsewhere_and_a_shell_submits(
    deploy: Deploy, metering: Metering, simulator: Running
) -> None:
    metering("record", "-", stdin=usage(create_timestamp=_hours_ago(2), quantity=1_000))
    _lose(simulator, 5)
    deploy().run()
    simulator.faults.plan([])
    refused = metering("submit")
    assert refused.exit_code == 2
    assert "this run says us-east-1 (AWS_REGION), the ledger says eu-west-1" in refused.stderr
    deploy().run()
    assert _billed(simulator) == [("eu-west-1", 1_000)]


def test_a_shell_that_names_the_stacks_region_and_account(
    deploy: Deploy, metering: Metering, simulator: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    deploy().run()
    metering("record", "-", stdin=usage(create_timestamp=_hours_ago(2)))
    monkeypatch.setenv("METERING_REGION", "eu-west-1")
    monkeypatch.setenv("METERING_ACCOUNT", ACCOUNT)
    ran = metering("run")
    assert ran.exit_code == 0, ran.stderr
    assert f"metering in eu-west-1, seller account {ACCOUNT}" in ran.stdout
    assert _billed(simulator) == [("eu-west-1", 5)]


def test_a_shell_bills_nothing_that_the_stack_holds(
    deploy: Deploy, metering: Metering, simulator: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    stack = deploy(METERING_LATE="hold")
    metering("record", "-", stdin=usage(create_timestamp=_hours_ago(2)))
    stack.run()
    metering("record", "-", stdin=usage(create_timestamp=_hours_ago(2), quantity=7))
    monkeypatch.setenv("METERING_REGION", "eu-west-1")
    monkeypatch.setenv("METERING_ACCOUNT", ACCOUNT)
    assert metering("run", "--all").exit_code == 3
    assert _billed(simulator) == [("eu-west-1", 5)]
    monkeypatch.setenv("METERING_LATE", "carry")
    refused = metering("run", "--all")
    assert refused.exit_code == 2
    assert "late: this run says carry, the ledger says hold" in refused.stderr
    assert "the stack's template decides" in refused.stderr
    assert _billed(simulator) == [("eu-west-1", 5)]


def test_records_that_the_stack_has_deleted_are_no_news(deploy: Deploy, metering: Metering) -> None:
    stack = deploy(METERING_RECORD_RETENTION_DAYS="1")
    metering("record", "-", stdin=usage(create_timestamp=_hours_ago(2)))
    stack.run()
    records = stack.tables["shop-MeteringRecords"]
    [item] = records.items()
    days_left = int(item["expires_at"]["N"]) - time.time()
    assert timedelta(hours=23) < timedelta(seconds=days_left) < timedelta(hours=25)
    records.restore([])  # as DynamoDB deletes it
    status = metering("status")
    assert (status.exit_code, "please report" in status.stdout) == (0, False)

    deploy(METERING_RECORD_RETENTION_DAYS="0").run()
    assert metering("status").exit_code == 0  # what was deleted stays deleted
    assert _json(metering, "ledger", "show")["ledger"]["record_retention_days"] == "0"


def test_a_stack_that_is_deployed_to_another_region_stands_still(
    deploy: Deploy, metering: Metering, simulator: Running
) -> None:
    deploy().run()
    moved = deploy(METERING_REGION="us-east-1")
    with pytest.raises(CharterError, match="metering deploy --metering-region eu-west-1"):
        moved.run()
    assert metering("ledger", "set", "region", "us-east-1").exit_code == 0
    metering("record", "-", stdin=usage(create_timestamp=_hours_ago(2)))
    moved.run()
    assert _billed(simulator) == [("us-east-1", 5)]


def test_a_shell_does_not_begin_a_stacks_ledger(deploy: Deploy, metering: Metering) -> None:
    refused = metering("run")
    assert refused.exit_code == 2
    assert "does not say yet where it is billed" in refused.stderr
    deploy().run()
    refused = metering("ledger", "set", "late", "hold")
    assert refused.exit_code == 2
    assert "metering deploy --stack shop -p LateUsage=hold" in refused.stderr
    assert metering("ledger", "set", "products.abc.late", "hold").exit_code == 0
    deploy(METERING_LATE="reject").run()
    shown = _json(metering, "ledger", "show")["ledger"]
    assert (shown["late"], shown["products.abc.late"]) == ("reject", "hold")


def test_a_charter_reads_back_what_it_says() -> None:
    charter = Charter(
        region="eu-west-1",
        account=None,
        window_length=timedelta(hours=24),
        late=LateUsage.HOLD,
        late_by_product={"abc": LateUsage.REJECT},
        grace=timedelta(seconds=0.5),
        retention=timedelta(days=400),
        changing="region 1",
    )
    assert Charter.parse(str(charter)) == charter
    assert charter.has_deleted
