"""From a recorded line to AWS's answer and its explanation."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
from datetime import UTC, datetime, timedelta
from pathlib import Path

from marketplace_metering.cli.main import HELPS
from marketplace_metering.simulator.faults import Lost, Scheduled, Throttle
from marketplace_metering.simulator.server import Running
from tests.cli.conftest import Metering, usage


def an_hour_ago_ms(minutes: int = 0) -> int:
    return int((datetime.now(UTC) - timedelta(hours=2, minutes=minutes)).timestamp() * 1000)


def test_the_guides_record_is_metered_and_explained(
    metering: Metering, simulator: Running, tmp_path: Path
) -> None:
    """The guide's example, written as JSON over several lines as it is printed there."""
    at = an_hour_ago_ms()
    text = json.dumps(json.loads(usage(create_timestamp=at)), indent=2)
    (tmp_path / "record.json").write_text(text)
    assert metering("record", "record.json").exit_code == 0
    assert metering("run", "--all").exit_code == 0
    (billed,) = simulator.simulator.accepted
    assert billed.window[:4] == ("abc123xyz456", None, "123456789012", "users")
    assert billed.content.quantity == 5_000_000
    why = metering("why", "123456789012", str(at)).stdout
    assert "state      billed: AWS accepted it" in why
    assert f"AWS id     {billed.metering_record_id}" in why
    assert "attempt    1 at" in why
    report = json.loads(metering("why", "123456789012", str(at), "--json").stdout)
    entry = report["usage_records"][0]["entry"]
    assert (entry["state"], entry["quantity"]) == ("billed", "5")
    assert [attempt["answer"] for attempt in entry["attempts"]] == ["Accepted"]


def test_run_leaves_the_current_hour_open(metering: Metering, simulator: Running) -> None:
    metering("record", stdin=usage(create_timestamp=int(datetime.now(UTC).timestamp() * 1000)))
    result = metering("run")
    assert "left pending 1 usage records: its hour is not over" in result.stdout
    assert simulator.simulator.accepted == []
    report = json.loads(metering("run", "--all", "--json").stdout)
    assert report["submitted"]["entries"] == {"billed": 1}


def test_a_refused_record_exits_with_3_and_is_explained(
    metering: Metering, simulator: Running
) -> None:
    simulator.simulator.declare("abc123xyz456", {"users": None})
    simulator.simulator.subscribe(
        "abc123xyz456", "123456789012", starts_at=datetime(2026, 1, 1, tzinfo=UTC)
    )
    at = an_hour_ago_ms()
    metering("record", stdin=usage(create_timestamp=at, dimension="userz"))
    result = metering("run")
    assert result.exit_code == 3
    assert "1 parked" in result.stdout
    window = ("--product", "abc123xyz456", "--dimension", "userz")
    hour = datetime.fromtimestamp(at / 1000, UTC).strftime("%Y-%m-%dT%H")
    why = metering("why", "123456789012", *window, "--hour", hour).stdout
    assert "the listing has no such dimension. What to do: add the dimension" in why
    assert metering("status", "--check").exit_code == 3

    repaired = metering("repair", "123456789012", str(at), "--set", "dimension=users")
    assert repaired.stdout == "corrected and pending again: metering run\n"
    assert metering("run").exit_code == 0
    (billed,) = simulator.simulator.accepted
    assert billed.window.dimension == "users"
    assert metering("status", "--check").exit_code == 0


def test_a_subscription_repaired_in_time_heals_by_retry(
    metering: Metering, simulator: Running
) -> None:
    simulator.simulator.declare("abc123xyz456", {"users": None})
    metering("record", stdin=usage(create_timestamp=an_hour_ago_ms()))
    assert metering("run").exit_code == 3
    assert metering("run").stdout.splitlines()[-1] == "ended because the rest is due later"
    simulator.simulator.subscribe(
        "abc123xyz456", "123456789012", starts_at=datetime(2026, 1, 1, tzinfo=UTC)
    )
    again = metering("retry", "--product", "abc123xyz456")
    assert "1 parked windows are due at once" in again.stdout
    assert "1 billed" in metering("run").stdout


def test_what_aws_may_have_billed_is_not_repaired(metering: Metering, simulator: Running) -> None:
    simulator.faults.plan([Scheduled(Lost(after_acceptance=True))])
    at = an_hour_ago_ms()
    metering("record", stdin=usage(create_timestamp=at))
    metering("run")
    result = metering("repair", "123456789012", str(at), "--set", "quantity=6")
    assert result.exit_code == 2
    assert "what was sent never changes" in result.stderr


def test_aws_out_of_reach_exits_with_4_and_loses_nothing(
    metering: Metering, simulator: Running
) -> None:
    simulator.faults.plan([Scheduled(Throttle(), times=100)])
    metering("record", stdin=usage(create_timestamp=an_hour_ago_ms()))
    result = metering("run")
    assert result.exit_code == 4
    assert "ended because AWS does not answer, or asks to slow down" in result.stdout
    simulator.faults.plan([])
    books = json.loads(metering("status", "--json").stdout)["products"][0]
    assert books["sealed"] == {"quantity": "5", "usage_records": 1}


def test_windows_are_listed_by_filter(metering: Metering) -> None:
    metering("record", stdin=usage(create_timestamp=an_hour_ago_ms()) * 2)
    metering("seal")
    rows = json.loads(metering("windows", "--state", "sealed", "--json").stdout)["windows"]
    assert [row["quantity"] for row in rows] == ["10"]
    assert json.loads(metering("windows", "--product", "other", "--json").stdout)["windows"] == []
    assert metering("windows", "--state", "sold").exit_code == 2
    assert "123456789012" in metering("windows").stdout


def test_late_usage_that_waits_for_a_person_exits_with_3(metering: Metering) -> None:
    line = usage(create_timestamp=an_hour_ago_ms())
    metering("record", stdin=line)
    metering("run")
    metering("ledger", "set", "late", "hold")
    metering("record", "--input", "later", "--count", stdin=line)
    for command in ("run", "seal"):
        held = metering(command)
        assert "held for a person to decide" in held.stdout
        assert held.exit_code == 3


def test_foreign_names_are_shown_as_they_are_and_do_nothing(
    metering: Metering, tmp_path: Path
) -> None:
    names = ("seats [/month]", "storage [gb]", "calls\x1b]8;;x\x07", "users\nURGENT")
    at = an_hour_ago_ms()
    lines = [usage(dimension=name, create_timestamp=at + n) for n, name in enumerate(names)]
    (tmp_path / "a[").mkdir()
    (tmp_path / "a[" / "b].jsonl").write_text("".join(lines) + "{bad\n")
    shown = [metering("record", "a[/b].jsonl").stderr]
    metering("seal", "--all")
    hour = f"{datetime.fromtimestamp(at / 1_000, UTC):%Y-%m-%dT%H}"
    shown += [metering("windows").stdout, metering("status", "--refused").stdout]
    for name in names:
        one = ("123456789012", "--product", "abc123xyz456", "--dimension", name, "--hour", hour)
        shown.append(metering("why", *one).stdout)
    said = "\n".join(shown)
    assert "a[/b].jsonl, line 5" in said
    for name in ("seats [/month]", "storage [gb]", "calls\\x1b]8;;x\\x07", "users\\nURGENT"):
        assert said.count(name) >= 2
    assert "\x1b" not in said


def test_serve_stops_cleanly_on_sigterm(metering: Metering, tmp_path: Path) -> None:
    """A real daemon meters what is there, and exits with 0 when it is told to stop."""
    metering("record", stdin=usage(create_timestamp=an_hour_ago_ms()))
    command = [sys.executable, "-m", "marketplace_metering", "serve"]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env=os.environ) as daemon:
        assert daemon.stderr is not None
        watchdog = threading.Timer(60, daemon.kill)
        watchdog.start()
        assert any("'billed'" in line for line in iter(daemon.stderr.readline, ""))
        daemon.send_signal(signal.SIGTERM)
        _out, last_words = daemon.communicate(timeout=30)
        watchdog.cancel()
    assert daemon.returncode == 0
    assert "stopped; nothing is lost" in last_words


def test_every_command_has_help(metering: Metering) -> None:
    for name in HELPS:
        result = metering(name, "--help")
        assert result.exit_code == 0
        assert result.stdout.startswith(f"Usage: cli {name}")
        assert len(result.stdout.splitlines()) > 5
