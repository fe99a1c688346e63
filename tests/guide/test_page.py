"""The page has every command and example of the specification, letter for letter."""

from __future__ import annotations

import json

import pytest

from tests.guide.blocks import PAGE, ROOT, SPECIFICATION, Block, block, blocks


@pytest.mark.parametrize("asked_for", blocks(SPECIFICATION), ids=lambda each: each.text[:40])
def test_what_is_specified_is_printed(asked_for: Block) -> None:
    assert asked_for in blocks(PAGE)


def test_the_specification_is_all_there() -> None:
    """Else the test above would pass on an empty page."""
    languages = sorted(each.language for each in blocks(SPECIFICATION))
    assert languages == ["", *["bash"] * 6, "javascript", "json", "json", "python"]


def test_the_program_for_node_is_the_example_in_a_function() -> None:
    """Only the name of the table and the place of the two calls differ."""
    printed = block("javascript", "PutCommand").text
    program = (ROOT / "examples/guide/record_usage.js").read_text()
    recording = printed.split("// Example")[0].replace(
        "'YOUR_STACK_NAME-MeteringRecords'", "process.env.TABLE"
    )
    assert recording.strip() in program
    for call in (line for line in printed.splitlines() if line.startswith("await ")):
        assert f"    {call}\n" in program


def test_the_lock_file_names_no_registry() -> None:
    locked = json.loads((ROOT / "examples/guide/package-lock.json").read_text())
    packages = [each for name, each in locked["packages"].items() if name]
    assert len(packages) > 10
    assert all("integrity" in each and "resolved" not in each for each in packages)
