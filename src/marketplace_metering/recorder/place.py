"""Region and account: what a destination's name does not say."""

from __future__ import annotations

from typing import NamedTuple, Self


class Place(NamedTuple):
    """Where a destination's name leads: each region of each account may have a table of it."""

    region: str | None = None  # None: not known, or of no meaning
    account: str | None = None

    def may_be(self, other: Place) -> bool:
        """Whether both may be one: what is not known of either contradicts nothing."""
        pairs = zip(self, other, strict=True)
        return all(mine == its or None in (mine, its) for mine, its in pairs)

    def filled_by(self, other: Place) -> Self:
        """With what the other knows and this one does not."""
        return self._replace(
            region=self.region or other.region, account=self.account or other.account
        )

    def __str__(self) -> str:
        return f"{self.region or 'an unknown region'}, account {self.account or 'unknown'}"
