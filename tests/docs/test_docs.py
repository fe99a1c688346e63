"""The documents say what is true: links, paths, commands, settings, and README's own example."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from marketplace_metering.cli.main import HELPS
from marketplace_metering.settings import OTHER_SETTINGS, POLICY_SETTINGS
from marketplace_metering.simulator import MarketplaceSimulator
from marketplace_metering.simulator.server import running

ROOT = Path(__file__).parents[2]
PAGES = [*sorted(ROOT.glob("*.md")), *sorted((ROOT / "docs").rglob("*.md"))]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\(([^)#\s]+)[^)]*\)", page.read_text()):
        if "://" not in target:
            assert (page.parent / target).exists(), f"{page.name} links to {target}"


def test_every_command_is_documented() -> None:
    text = (ROOT / "docs/running.md").read_text()
    for name in HELPS:
        assert f"`metering {name}" in text, f"docs/running.md does not mention metering {name}"


def test_every_setting_is_documented() -> None:
    text = (ROOT / "docs/running.md").read_text()
    for name in (*POLICY_SETTINGS, *OTHER_SETTINGS):
        assert f"`{name}`" in text or f"[{name}." in text, f"docs/running.md lacks {name}"


def test_readmes_example_works_as_printed(tmp_path: Path) -> None:
    """The block of README, run by bash, with the simulator on a port of its own."""
    text = (ROOT / "README.md").read_text()
    block = text.split("## Your own usage")[1].split("```bash")[1].split("```")[0]
    lines = [
        line
        for line in block.splitlines()
        if not line.startswith(("python3 -m venv", "metering simulator"))
    ]
    with running(MarketplaceSimulator()) as server:
        script = "\n".join(lines).replace("http://127.0.0.1:4600", server.url)
        done = subprocess.run(
            ["bash", "-euc", script],
            cwd=tmp_path,
            env={
                "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
                "HOME": str(tmp_path),
                "METERING_CLOCK_MARGIN_SECONDS": "0",
            },
            capture_output=True,
            text=True,
            check=False,
        )
    assert done.returncode == 0, done.stderr
    usage = json.loads(done.stdout.splitlines()[-1])["usage"]
    assert [record["quantity"] for record in usage] == ["5"]
