"""MiniStack, the AWS emulator: how it is started, and the environment that it runs in.

It lives in a virtual environment of its own, made at the first use, because it pins a botocore
that is older than the one metering needs. Its requirements are locked by hash in `ministack.txt`.
"""

from __future__ import annotations

import fcntl
import os
import socket
import subprocess
import sys
from collections.abc import Callable, Mapping
from importlib import resources
from pathlib import Path

from marketplace_metering.local import LocalError

REQUIREMENTS_FILE = "ministack.txt"
HOST = "127.0.0.1"
REGION = "us-east-1"
ACCOUNT = "000000000000"  # MiniStack takes an access key of twelve digits for the account
HEALTH_PATH = "/_ministack/health"
LINES_SHOWN_MAX = 5

Say = Callable[[str], None]


def silent(_words: str) -> None:
    """For those who do not want to be told."""


def command(environment: Mapping[str, str] = os.environ, say: Say = silent) -> list[str]:
    """How to start the emulator: of the installation that METERING_MINISTACK names, or our own."""
    named = environment.get("METERING_MINISTACK")
    if named:
        python = Path(named).parent / "python"
        if not os.access(python, os.X_OK):
            raise LocalError(
                f"METERING_MINISTACK={named} refused: name the program `ministack` of a virtual "
                "environment, or unset it to have one made"
            )
    else:
        python = _installed(_cache_folder(environment) / "ministack", say)
    # By its path, since this package is not installed there; -I keeps this folder's modules out.
    return [str(python), "-I", str(Path(__file__).with_name("emulator_main.py"))]


def process_environment(
    folder: Path, port: int, clients: Mapping[str, str], is_strict: bool = False
) -> dict[str, str]:
    """What the emulator's process gets: nothing of the person's own AWS settings.

    The Lambda functions inherit what clients need, so that they find the simulator. A strict one
    speaks TLS only, checks signatures, and allows only what a policy allows.
    """
    return {
        "PATH": os.environ.get("PATH", os.defpath),
        "HOME": str(folder),
        "TMPDIR": str(folder),
        "BIND_HOST": HOST,  # it would listen on every interface
        "GATEWAY_PORT": str(port),
        "IOT_MTLS_ENABLED": "0",  # this listener knows no BIND_HOST
        **({"AUTH": "true", "USE_SSL": "1"} if is_strict else {}),
        **clients,
    }


def client_environment(url: str, metering_url: str) -> dict[str, str]:
    """What an AWS client of any language needs to find both."""
    return {
        "AWS_ENDPOINT_URL": url,
        "AWS_ENDPOINT_URL_MARKETPLACE_METERING": metering_url,
        "AWS_ACCESS_KEY_ID": ACCOUNT,
        "AWS_SECRET_ACCESS_KEY": "local",
        "AWS_DEFAULT_REGION": REGION,
        "AWS_REGION": REGION,  # the SDK for JavaScript reads this one alone
    }


def free_port() -> int:
    """A port that is free now."""
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        return int(probe.getsockname()[1])


def _cache_folder(environment: Mapping[str, str]) -> Path:
    base = environment.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(base) / "marketplace-metering"


def _installed(folder: Path, say: Say) -> Path:
    """The Python of the emulator; made if it is not there or another version is asked for."""
    requirements = (resources.files(__package__) / REQUIREMENTS_FILE).read_text(encoding="utf-8")
    installed, python = folder / "installed.txt", folder / "bin" / "python"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with open(folder.with_suffix(".lock"), "w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            # Written last: what was interrupted is made again.
            is_complete = installed.exists() and os.access(python, os.X_OK)
            if not is_complete or installed.read_text(encoding="utf-8") != requirements:
                say(f"installing the AWS emulator into {folder} (once, about 90 MB) ...")
                _install(folder, requirements)
                installed.write_text(requirements, encoding="utf-8")
    except OSError as error:
        raise LocalError(
            f"the emulator cannot be installed into {folder}: {error.strerror}; name another place "
            "with XDG_CACHE_HOME, or an installed one with METERING_MINISTACK"
        ) from error
    return python


def _install(folder: Path, requirements: str) -> None:
    _run(sys.executable, "-m", "venv", "--clear", str(folder))
    asked_for = folder / REQUIREMENTS_FILE
    asked_for.write_text(requirements, encoding="utf-8")
    pip = (str(folder / "bin" / "python"), "-m", "pip", "--disable-pip-version-check")
    _run(*pip, "install", "--quiet", "--require-hashes", "--requirement", str(asked_for))


def _run(*command: str) -> None:
    done = subprocess.run(  # noqa: S603 - Python and pip of this machine, no shell
        command, capture_output=True, text=True, check=False
    )
    if done.returncode != 0:
        said = (done.stderr or done.stdout).strip().splitlines()[-LINES_SHOWN_MAX:]
        raise LocalError("the emulator cannot be installed: " + "\n".join(said))
