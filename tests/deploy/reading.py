"""The template as data."""

from __future__ import annotations

from functools import cache
from typing import Any

from cfnlint.decode import cfn_yaml  # type: ignore[import-untyped]

from marketplace_metering.deploy import template


@cache
def loaded() -> dict[str, Any]:
    """The template, intrinsic functions in their long form."""
    found: dict[str, Any] = cfn_yaml.loads(template.read())
    return found


def resources(kind: str | None = None) -> dict[str, Any]:
    """The resources of a type by their logical names."""
    return {
        name: resource
        for name, resource in loaded()["Resources"].items()
        if kind is None or resource["Type"] == kind
    }


def properties(logical_name: str) -> dict[str, Any]:
    """The properties of a resource."""
    found: dict[str, Any] = loaded()["Resources"][logical_name]["Properties"]
    return found


def alarms() -> dict[str, Any]:
    """The properties of every alarm."""
    return {
        name: alarm["Properties"] for name, alarm in resources("AWS::CloudWatch::Alarm").items()
    }
