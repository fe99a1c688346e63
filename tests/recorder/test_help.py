"""What `help()` says of the public names: every parameter, and the same as the code does."""

from __future__ import annotations

import inspect
import re
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest

import marketplace_metering
from marketplace_metering import RecorderStats, UsageRecorder
from marketplace_metering.recorder.calls import Call, CallOptions
from marketplace_metering.recorder.settings import RecorderOptions, RecorderSettings

ROOT = Path(__file__).parents[2]


def explained(documented: Any) -> set[str]:
    """The names that begin a line of a docstring and are followed by their meaning."""
    return set(re.findall(r"^([a-z_]+) {2,}\S", inspect.getdoc(documented) or "", re.MULTILINE))


def keywords_of(function: Any) -> set[str]:
    parameters = inspect.signature(function).parameters.values()
    return {each.name for each in parameters if each.kind is each.KEYWORD_ONLY}


def test_a_recorder_explains_every_setting_and_has_no_other() -> None:
    settings = set(RecorderOptions.__annotations__)
    assert settings == {each.name for each in fields(RecorderSettings)}
    assert explained(UsageRecorder) == settings | {"to"}


def test_the_defaults_that_it_names_are_those_it_takes() -> None:
    says = " ".join((inspect.getdoc(UsageRecorder) or "").split())
    taken = RecorderSettings(durable=False)
    assert f"at most 120; default {taken.flush_interval:.0f}." in says
    assert f"default {taken.spool_bytes_max // 2**20} MiB" in says
    assert f'"{taken.when_full}" SpoolFullError (the default)' in says
    assert (taken.fsync, taken.background, taken.on_refused) == (False, True, None)


def test_a_call_explains_every_argument_and_both_recorders_take_the_same() -> None:
    arguments = {each.name for each in fields(Call)}
    assert explained(UsageRecorder.record) == arguments
    assert keywords_of(UsageRecorder.record) == set(CallOptions.__annotations__)
    assert arguments == {"account", "dimension", "quantity"} | set(CallOptions.__annotations__)


def test_the_counters_are_explained() -> None:
    assert explained(RecorderStats) == {each.name for each in fields(RecorderStats)}


@pytest.mark.parametrize("name", marketplace_metering.__all__)
def test_every_public_name_says_what_it_is(name: str) -> None:
    assert len(inspect.getdoc(getattr(marketplace_metering, name)) or "") > 40


def test_the_page_of_the_recorder_explains_the_same_settings() -> None:
    page = (ROOT / "docs/recorder.md").read_text()
    table = page.split("## Setting it up")[1].split("\n\n")[1]
    named = set(re.findall(r"^\| `([a-z_]+)`", table, re.MULTILINE))
    assert named == set(RecorderOptions.__annotations__)
