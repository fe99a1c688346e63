"""The Lambda package: complete, small, the same each time."""

from __future__ import annotations

import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any

import pytest

from marketplace_metering.deploy import package as packaging
from marketplace_metering.deploy.package import Package, PackageError, build

HANDLERS = ("marketplace_metering.aws_lambda.job", "marketplace_metering.aws_lambda.processor")


@pytest.fixture(scope="module")
def unpacked(package: Package, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The package as Lambda lays it out."""
    folder = tmp_path_factory.mktemp("unpacked")
    with zipfile.ZipFile(package.path) as archive:
        archive.extractall(folder)
    return folder


def _run(folder: Path, program: str) -> str:
    """Run with the package and the standard library alone."""
    start = f"import sys; sys.path.insert(0, {str(folder)!r}); "
    command = [sys.executable, "-I", "-S", "-B", "-c", start + program]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_the_same_environment_gives_the_same_bytes(package: Package, tmp_path: Path) -> None:
    again = build(tmp_path / "other.zip")

    assert again.path.read_bytes() == package.path.read_bytes()
    assert again.sha256 == package.sha256


def test_it_is_small_and_says_what_is_in_it(package: Package) -> None:
    assert package.size_bytes < 4_000_000
    assert package.unpacked_bytes < 15_000_000
    assert {"boto3", "botocore", "marketplace-metering"} <= set(package.versions)


def test_it_holds_no_tests_no_command_line_and_nothing_native(package: Package) -> None:
    with zipfile.ZipFile(package.path) as archive:
        names = archive.namelist()
    assert names == sorted(names)
    folders = {name.split("/")[1] for name in names if name.startswith("marketplace_metering/")}
    assert {each for each in folders if "." not in each} == {
        "adapters",
        "aws_lambda",
        "core",
        "files",
        "jobs",
    }
    assert not [name for name in names if "__pycache__" in name or "swagger" in name]
    for ending in (".so", ".pyd", ".pyc", ".pyi"):
        assert not [name for name in names if name.endswith(ending)]
    assert "botocore/cacert.pem" in names


@pytest.mark.parametrize("module", HANDLERS)
def test_a_handler_loads_from_the_package_alone_and_lightly(unpacked: Path, module: str) -> None:
    """boto3 takes longer than all the rest: it is loaded with the first event, not before."""
    program = f"import {module} as m; print(callable(m.handler)); print(*sys.modules)"
    loadable, modules = _run(unpacked, program).splitlines()
    assert loadable == "True"
    assert not {"boto3", "botocore.session", "sqlite3", "click", "rich"} & set(modules.split())


def test_its_clients_know_every_service_and_the_newest_members(unpacked: Path) -> None:
    services = sorted(packaging.SERVICES)
    program = (
        "import boto3; from marketplace_metering.adapters.aws.metering_api import connect; "
        "from marketplace_metering.adapters.aws import assumed_role, doorbell, self_invocation;"
        "from marketplace_metering.adapters.aws import topic;"
        f"[boto3.client(name, region_name='eu-west-1') for name in {services}]; "
        "members = connect('us-east-1').meta.service_model.shape_for('UsageRecord').members; "
        "print(*members)"
    )
    assert {"QuantityAsDecimal", "LicenseArn"} <= set(_run(unpacked, program).split())


class Distribution:
    """What `_needs` looks at."""

    requires = (
        "plain>=1,<2",
        "Under_Score.And-Dot (>=3)",
        "here; python_version >= '3.11'",
        "elsewhere; python_version < '3' or sys_platform == 'atari'",
        "wanted_by_an_extra>=1; extra == 'crt'",
        "with-an-extra[crt]; sys_platform != 'atari'",
    )


def test_what_a_distribution_needs_here_follows_from_its_markers() -> None:
    distribution: Any = Distribution()

    needed = packaging._needs(distribution)

    assert needed == ["plain", "under-score-and-dot", "here", "with-an-extra"]


def test_the_store_loads_from_the_package(unpacked: Path) -> None:
    _run(unpacked, "import marketplace_metering.adapters.dynamodb")


def test_what_is_missing_is_named_with_how_to_get_it(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(packaging, "ROOTS", ("not-installed-anywhere",))

    with pytest.raises(PackageError) as refused:
        build(tmp_path / "lambda.zip")

    assert str(refused.value) == (
        "not-installed-anywhere is not installed: pip install 'marketplace-metering[aws]'"
    )
