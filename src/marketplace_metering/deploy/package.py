"""The Lambda package: this software and what it needs, as one zip file.

It is built from the installed environment, without a network: what was tested is what runs. Every
dependency is pure Python, so the same file runs on each processor and Python that Lambda offers.
boto3 is part of it because the one that Lambda brings lags behind, and metering needs a model that
knows `LicenseArn` and `QuantityAsDecimal`. The same environment gives the same bytes.
"""

from __future__ import annotations

import hashlib
import zipfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from importlib import metadata, resources
from importlib.resources.abc import Traversable
from pathlib import Path, PurePosixPath

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from marketplace_metering.deploy import DeployError

PACKAGE = "marketplace_metering"
ROOTS = ("boto3", "aws-lambda-powertools")
# What runs elsewhere: on a person's machine, in the application, in tests.
LEFT_OUT = frozenset(
    {"cli", "deploy", "local", "proof", "recorder", "simulator", "sqlite", "__pycache__"}
)
# botocore describes some 400 services in about 20 MB; these are the ones the functions talk to.
SERVICES = frozenset({"dynamodb", "lambda", "meteringmarketplace", "sns", "sqs", "sts"})
NATIVE = frozenset({".so", ".pyd", ".dylib"})
ZIP_BYTES_MAX = 50_000_000  # Lambda guide, "Lambda quotas": 50 MB zipped, 250 MB unzipped
STAMP = (1980, 1, 1, 0, 0, 0)  # the earliest that a zip file can say
MODE = 0o644 << 16


class PackageError(DeployError):
    """The package cannot be built from this environment; the message says what to install."""


@dataclass(frozen=True, slots=True)
class Package:
    """A built package."""

    path: Path
    sha256: str
    size_bytes: int
    unpacked_bytes: int
    versions: Mapping[str, str]


def build(path: Path) -> Package:
    """Write the package to this path and describe it."""
    contents = dict(_walk(resources.files(PACKAGE), PurePosixPath(PACKAGE)))
    versions = {PACKAGE.replace("_", "-"): metadata.version(PACKAGE)}
    for distribution in _distributions():
        versions[distribution.name] = distribution.version
        contents.update(_files_of(distribution))
    path.parent.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as archive:
        for name in sorted(contents):
            entry = zipfile.ZipInfo(name, STAMP)
            entry.external_attr = MODE
            entry.compress_type = zipfile.ZIP_DEFLATED
            archive.writestr(entry, contents[name])
    size = path.stat().st_size
    if size > ZIP_BYTES_MAX:
        raise PackageError(f"the package has {size:,} bytes; Lambda takes {ZIP_BYTES_MAX:,}")
    sha256 = hashlib.sha256(path.read_bytes()).hexdigest()
    unpacked = sum(len(content) for content in contents.values())
    return Package(path, sha256, size, unpacked, dict(sorted(versions.items())))


def _walk(folder: Traversable, at: PurePosixPath) -> Iterator[tuple[str, bytes]]:
    for each in folder.iterdir():
        if each.name in LEFT_OUT:
            continue
        if each.is_dir():
            yield from _walk(each, at / each.name)
        elif each.name.endswith(".py"):
            yield str(at / each.name), each.read_bytes()


def _distributions() -> Iterator[metadata.Distribution]:
    """The roots and all that they need, each once."""
    waiting, seen = list(ROOTS), set[str]()
    while waiting:
        name = waiting.pop()
        if name in seen:
            continue
        seen.add(name)
        try:
            distribution = metadata.distribution(name)
        except metadata.PackageNotFoundError:
            raise PackageError(
                f"{name} is not installed: pip install 'marketplace-metering[aws]'"
            ) from None
        yield distribution
        waiting += _needs(distribution)


def _needs(distribution: metadata.Distribution) -> list[str]:
    """The names that a distribution requires on this machine and Python, extras left out."""
    requirements = map(Requirement, distribution.requires or ())
    return [
        canonicalize_name(each.name)
        for each in requirements
        if each.marker is None or each.marker.evaluate({"extra": ""})
    ]


def _files_of(distribution: metadata.Distribution) -> Iterator[tuple[str, bytes]]:
    files = distribution.files
    if files is None:
        raise PackageError(f"{distribution.name} does not say which files it installed: reinstall")
    for file in files:
        if not _is_wanted(PurePosixPath(file)):
            continue
        if file.suffix in NATIVE:
            raise PackageError(f"{distribution.name} is not pure Python here: {file}")
        yield str(PurePosixPath(file)), Path(str(file.locate())).read_bytes()


def _is_wanted(file: PurePosixPath) -> bool:
    """Code, and data that is read at run time; of the rest, what names the version and licence."""
    parts = file.parts
    if parts[0] == ".." or "__pycache__" in parts or file.suffix in (".pyc", ".pyi"):
        return False
    if parts[0].endswith(".dist-info"):
        # Scanners such as Amazon Inspector learn from it what is in the package.
        return file.name == "METADATA" or file.name.upper().startswith(("LICENSE", "NOTICE"))
    if parts[:2] == ("botocore", "data") and len(parts) > 3:
        return parts[2] in SERVICES
    in_boto3_resources = parts[:2] in (("boto3", "data"), ("boto3", "examples"))
    return not in_boto3_resources and "swagger_ui" not in parts
