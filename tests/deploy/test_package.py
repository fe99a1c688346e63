"""The Lambda package: complete, small, the same each time."""

from __future__ import annotations

import json
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError
from packaging.utils import canonicalize_name

from marketplace_metering.deploy import DeployError, bill_of_materials
from marketplace_metering.deploy import package as packaging
from marketplace_metering.deploy.package import Package, PackageError, build
from marketplace_metering.deploy.stack import Request, StackPlan
from marketplace_metering.deploy.stack import check_code as check_code_of

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


def test_every_machine_gives_the_same_bytes(package: Package, tmp_path: Path) -> None:
    """In another place, zone, system and hand, with files of another age."""
    program = (
        "import os, sys, time, zipfile\n"
        "os.umask(0o077); os.environ['TZ'] = 'Pacific/Chatham'; time.tzset()\n"
        "sys.platform = 'win32'\n"
        "from pathlib import Path\n"
        "from marketplace_metering.deploy.package import build\n"
        "print(build(Path(sys.argv[1])).sha256)\n"
    )
    path = tmp_path / "elsewhere" / "other.zip"
    command = [sys.executable, "-B", "-c", program, str(path)]
    done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path)
    assert done.stdout.strip() == package.sha256, done.stderr


def test_it_carries_the_locked_versions_and_no_others(package: Package) -> None:
    locked = bill_of_materials.locked(bill_of_materials.lock_text())
    carried = {canonicalize_name(name): version for name, version in package.versions.items()}
    del carried[canonicalize_name("marketplace-metering")]
    assert carried == locked
    with zipfile.ZipFile(package.path) as archive:
        assert archive.read("lambda.txt").decode() == bill_of_materials.lock_text()


def test_the_lock_names_what_the_tests_run_with() -> None:
    root = Path(__file__).parents[2]
    tested = bill_of_materials.locked((root / "requirements-dev.txt").read_text())
    for name, version in bill_of_materials.locked(bill_of_materials.lock_text()).items():
        assert tested[name] == version


def test_another_version_than_the_locked_one_is_refused(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    text = bill_of_materials.lock_text().replace("boto3==", "boto3==0.")
    monkeypatch.setattr(bill_of_materials, "lock_text", lambda: text)
    with pytest.raises(PackageError, match=r"boto3 .* \(locked: 0\..*--require-hashes -r .*lambda"):
        build(tmp_path / "lambda.zip")


def test_a_file_that_was_changed_since_it_was_installed_is_refused(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    read = Path.read_bytes

    def tampered(path: Path) -> bytes:
        is_changed = (path.parent.name, path.name) == ("jmespath", "lexer.py")
        return read(path) + (b"import evil" if is_changed else b"")

    monkeypatch.setattr(Path, "read_bytes", tampered)
    with pytest.raises(PackageError, match=r"jmespath/lexer.py of jmespath is not as it was"):
        build(tmp_path / "lambda.zip")


def test_a_list_of_all_that_is_in_it_is_in_it_with_every_licence(package: Package) -> None:
    with zipfile.ZipFile(package.path) as archive:
        bill = json.loads(archive.read("sbom.cdx.json"))
        names = archive.namelist()
    assert (bill["bomFormat"], bill["specVersion"]) == ("CycloneDX", "1.6")
    assert bill["metadata"]["component"]["name"] == "marketplace-metering"
    listed = {each["name"]: each["version"] for each in bill["components"]}
    assert listed == bill_of_materials.locked(bill_of_materials.lock_text())
    for each in bill["components"]:
        assert each["purl"] == f"pkg:pypi/{each['name']}@{each['version']}"
        folder = f"{each['name'].replace('-', '_')}-{each['version']}.dist-info/"
        texts = [name for name in names if name.startswith(folder) and "LICEN" in name.upper()]
        assert texts, f"the licence of {each['name']} is missing"


class Functions:
    """A session whose functions run some code."""

    def __init__(self, **code: str) -> None:
        self.code = code

    def client(self, service: str) -> Functions:
        assert service == "lambda"
        return self

    def get_function_configuration(self, FunctionName: str) -> dict[str, str]:  # noqa: N803
        function = FunctionName.removeprefix("shop-")
        if function not in self.code:
            raise ClientError({"Error": {"Code": "ResourceNotFoundException"}}, "GetFunction")
        return {"CodeSha256": self.code[function]}


def check_code(package: Package, **code: str) -> None:
    session: Any = Functions(**code)
    check_code_of(session, StackPlan(Request(stack="shop"), "bucket", package, (), None))


def test_functions_that_run_another_package_are_an_error(package: Package) -> None:
    right = package.code_sha256
    check_code(package, MeteringJob=right, MeteringProcessor=right)
    check_code(package)  # a product that needs no metering has no functions
    with pytest.raises(DeployError, match="shop-MeteringProcessor runs another package"):
        check_code(package, MeteringJob=right, MeteringProcessor="another")


def test_it_is_small_and_says_what_is_in_it(package: Package) -> None:
    assert package.size_bytes < 10_000_000
    assert package.unpacked_bytes < 10_000_000
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

    words = str(refused.value)
    assert words.startswith("not-installed-anywhere is not installed: pip install ")
    assert Path(words.rpartition(" -r ")[2]).read_text() == bill_of_materials.lock_text()
