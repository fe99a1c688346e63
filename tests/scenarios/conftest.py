"""The timetables run over every store."""

from tests.support.world import open_world, store_kind

__all__ = ["open_world", "store_kind"]
