"""What is in the Lambda package: its locked versions, and a list that scanners read.

`lambda.txt` locks each distribution by version and by the hashes of its files on PyPI; it is in the
package, too. The bill of materials is CycloneDX 1.6.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from importlib import metadata, resources

from packaging.utils import canonicalize_name

LOCK_FILE = "lambda.txt"
FILE = "sbom.cdx.json"
PINNED = re.compile(r"^([A-Za-z0-9._-]+)==(\S+) ", re.MULTILINE)


def lock_text() -> str:
    """The lock, as it is shipped."""
    return (resources.files("marketplace_metering.deploy") / LOCK_FILE).read_text("utf-8")


def locked(text: str) -> Mapping[str, str]:
    """The version of each distribution in a lock, by its canonical name."""
    return {canonicalize_name(name): version for name, version in PINNED.findall(text)}


def written(distributions: Iterable[metadata.Distribution]) -> str:
    """The bill of materials of a package with these distributions, the same each time."""
    found = sorted(distributions, key=lambda each: canonicalize_name(each.name))
    own, *others = sorted(found, key=lambda each: each.name != "marketplace-metering")
    bill = {
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "version": 1,
        "metadata": {"component": {**_component(own), "type": "application"}},
        "components": [_component(each) for each in others],
    }
    return json.dumps(bill, indent=1, sort_keys=True) + "\n"


def _component(distribution: metadata.Distribution) -> dict[str, object]:
    name = canonicalize_name(distribution.name)
    purl = f"pkg:pypi/{name}@{distribution.version}"
    found: dict[str, object] = {
        "type": "library",
        "bom-ref": purl,
        "name": name,
        "version": distribution.version,
        "purl": purl,
    }
    said = distribution.metadata
    if "License-Expression" in said:
        found["licenses"] = [{"expression": said["License-Expression"]}]
    elif "License" in said and "\n" not in said["License"]:
        found["licenses"] = [{"license": {"name": said["License"]}}]
    return found
