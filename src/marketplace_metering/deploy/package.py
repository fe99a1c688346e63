"""The Lambda package: this software and what it needs, as one zip file.

It is built from the installed environment, without a network: what was tested is what runs. It
carries the locked versions and no others, and every file of them as it was installed: what was
changed since is refused. Every dependency is pure Python, so the same file runs on each processor
and Python that Lambda offers. boto3 is part of it because the one that Lambda brings lags behind,
and metering needs a model that knows `LicenseArn` and `QuantityAsDecimal`.

The same versions give the same bytes on every machine: nothing is compressed, because the libraries
that do it differ.
"""

from __future__ import annotations

import hashlib
import zipfile
from base64 import b64encode, urlsafe_b64encode
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from importlib import metadata, resources
from importlib.resources.abc import Traversable
from pathlib import Path, PurePosixPath

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from marketplace_metering.deploy import DeployError, bill_of_materials

PACKAGE = "marketplace_metering"
ROOTS = ("boto3", "aws-lambda-powertools")
# What runs elsewhere: on a person's machine, in the application, in tests.
LEFT_OUT = frozenset(
    {"cli", "deploy", "local", "proof", "recorder", "simulator", "sqlite", "__pycache__"}
)
# botocore describes some 400 services in about 20 MB; these are the ones the functions talk to.
SERVICES = frozenset({"dynamodb", "lambda", "meteringmarketplace", "sns", "sqs", "sts"})
LICENSES = ("LICENSE", "LICENCE", "COPYING", "NOTICE", "AUTHORS")
NATIVE = frozenset({".so", ".pyd", ".dylib"})
ZIP_BYTES_MAX = 50_000_000  # Lambda guide, "Lambda quotas": 50 MB zipped, 250 MB unzipped
STAMP = (1980, 1, 1, 0, 0, 0)  # the earliest that a zip file can say
MODE = 0o644 << 16
UNIX = 3  # on whichever system it is built


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

    @property
    def code_sha256(self) -> str:
        """As Lambda says it of a function's code."""
        return b64encode(bytes.fromhex(self.sha256)).decode()


def build(path: Path) -> Package:
    """Write the package to this path and describe it."""
    contents = dict(_walk(resources.files(PACKAGE), PurePosixPath(PACKAGE)))
    versions = {PACKAGE.replace("_", "-"): metadata.version(PACKAGE)}
    lock = bill_of_materials.lock_text()
    distributions = list(_distributions())
    _check_versions(distributions, bill_of_materials.locked(lock))
    for distribution in distributions:
        versions[distribution.name] = distribution.version
        contents.update(_files_of(distribution))
    contents[bill_of_materials.LOCK_FILE] = lock.encode()
    own = metadata.distribution(PACKAGE)
    contents[bill_of_materials.FILE] = bill_of_materials.written([own, *distributions]).encode()
    path.parent.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(path, "w", zipfile.ZIP_STORED) as archive:
        for name in sorted(contents):
            entry = zipfile.ZipInfo(name, STAMP)
            entry.external_attr = MODE
            entry.create_system = UNIX
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
            raise PackageError(f"{name} is not installed: {_fix()}") from None
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
        content = Path(str(file.locate())).read_bytes()
        if file.hash is None or file.hash.mode != "sha256" or file.hash.value != _digest(content):
            raise PackageError(
                f"{file} of {distribution.name} is not as it was installed: {_fix()}"
            )
        yield str(PurePosixPath(file)), content


def _digest(content: bytes) -> str:
    """As the RECORD of an installed distribution has it."""
    return urlsafe_b64encode(hashlib.sha256(content).digest()).rstrip(b"=").decode()


def _check_versions(
    distributions: Iterable[metadata.Distribution], locked: Mapping[str, str]
) -> None:
    """Refuse any other version than the one that is locked: nobody has tested it."""
    installed = {canonicalize_name(each.name): each.version for each in distributions}
    wrong = [
        f"{name} {version} (locked: {locked.get(name, 'not at all')})"
        for name, version in sorted(installed.items())
        if locked.get(name) != version
    ]
    if wrong:
        raise PackageError(
            f"the package carries the locked versions only, and others are installed: "
            f"{', '.join(wrong)}: {_fix()}"
        )


def _fix() -> str:
    file = resources.files("marketplace_metering.deploy") / bill_of_materials.LOCK_FILE
    return f"pip install --force-reinstall --require-hashes -r {file}"


def _is_wanted(file: PurePosixPath) -> bool:
    """Code, and data that is read at run time; of the rest, what names the version and licence."""
    parts = file.parts
    if parts[0] == ".." or "__pycache__" in parts or file.suffix in (".pyc", ".pyi"):
        return False
    if parts[0].endswith(".dist-info"):
        # Scanners such as Amazon Inspector learn from it what is in the package.
        return file.name == "METADATA" or file.name.upper().startswith(LICENSES)
    if parts[:2] == ("botocore", "data") and len(parts) > 3:
        return parts[2] in SERVICES
    in_boto3_resources = parts[:2] in (("boto3", "data"), ("boto3", "examples"))
    return not in_boto3_resources and "swagger_ui" not in parts
