"""A file is read as far as it reached when it was looked at."""

from __future__ import annotations

from io import BytesIO

import pytest

from marketplace_metering.core.inputs import KnownInput, decide
from marketplace_metering.files.content import FileContent


@pytest.mark.parametrize("more", [b"", b"4", b"4\n5\n", b"\n4\n"])
@pytest.mark.parametrize("held", [b"", b"1\n2\n3\n", b"1\n2\n3"])
def test_what_is_added_meanwhile_is_left_to_the_next_time(held: bytes, more: bytes) -> None:
    file = BytesIO(held)
    content = FileContent(file)
    assert content.position == 0
    file.seek(0, 2)
    file.write(more)
    assert b"".join(content.lines()) == held
    assert content.position == len(held)


class _Counting(BytesIO):
    count = 0

    def read(self, size: int | None = -1) -> bytes:
        found = super().read(size)
        self.count += len(found)
        return found


def test_it_is_read_once_however_often_its_place_was_recorded() -> None:
    file = _Counting(b"0123456789\n" * 10_000)
    known = [KnownInput("a", f"a ({size})", size, "", "", is_counted=True) for size in range(900)]
    decide("a", FileContent(file), known, None)
    assert file.count < 2 * 110_000
