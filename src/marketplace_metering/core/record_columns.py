"""Many usage records as columns: what a store can take at once without looking at each."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple, TypeVar, overload

from marketplace_metering.core.hours import NS_PER_HOUR
from marketplace_metering.core.record import Tags, UsageRecord

Value = TypeVar("Value")


class GroupName(NamedTuple):
    """What the usage records of one group have in common."""

    product: str
    account: str
    dimension: str
    license_arn: str | None
    hour: int
    tags: Tags


@dataclass(slots=True)
class RecordColumns(Sequence[UsageRecord]):
    """Usage records by column; each can be had as an object as well.

    `group_of` numbers the group of each in `groups`. Without event ids or own attributes these
    columns are empty.
    """

    groups: list[GroupName] = field(default_factory=list)
    group_of: list[int] = field(default_factory=list)
    created_ns: list[int] = field(default_factory=list)
    micros: list[int] = field(default_factory=list)
    event_ids: Sequence[str | None] = ()
    extras: Sequence[Mapping[str, object]] = ()
    _objects: dict[int, UsageRecord] = field(default_factory=dict)

    @classmethod
    def of(cls, records: Sequence[UsageRecord]) -> RecordColumns:
        """The columns of usage records; records that are columns already are given back."""
        if isinstance(records, RecordColumns):
            return records
        return cls().plus(records)

    def plus(self, records: Sequence[UsageRecord]) -> RecordColumns:
        """The columns of these usage records and of others, which are given as objects."""
        numbers = {name: number for number, name in enumerate(self.groups)}
        group_of = [numbers.setdefault(group_name(each), len(numbers)) for each in records]
        size = len(self)
        return RecordColumns(
            list(numbers),
            self.group_of + group_of,
            self.created_ns + [each.created_ns for each in records],
            self.micros + [each.micros for each in records],
            _joined(self.event_ids or [None] * size, [each.event_id for each in records]),
            _joined(self.extras or [{}] * size, [each.extras for each in records]),
            self._objects | dict(enumerate(records, size)),
        )

    def __len__(self) -> int:
        return len(self.group_of)

    @overload
    def __getitem__(self, index: int) -> UsageRecord: ...
    @overload
    def __getitem__(self, index: slice) -> list[UsageRecord]: ...
    def __getitem__(self, index: int | slice) -> UsageRecord | list[UsageRecord]:
        if isinstance(index, slice):
            return [self[number] for number in range(*index.indices(len(self)))]
        number = range(len(self))[index]
        found = self._objects.get(number)
        if found is None:
            found = self._objects[number] = self._object(number)
        return found

    def _object(self, number: int) -> UsageRecord:
        product, account, dimension, license_arn, _hour, tags = self.groups[self.group_of[number]]
        return UsageRecord(
            account,
            product,
            dimension,
            self.created_ns[number],
            self.micros[number],
            license_arn,
            tags,
            self.event_ids[number] if self.event_ids else None,
            self.extras[number] if self.extras else {},
        )

    def number_of(self, record: UsageRecord) -> int:
        """The row of an object that this gave out or took in; raises StopIteration otherwise."""
        return next(number for number, each in self._objects.items() if each is record)

    def only(self, numbers: Sequence[int]) -> RecordColumns:
        """The columns of the usage records in the rows of these numbers."""
        return RecordColumns(
            self.groups,
            [self.group_of[number] for number in numbers],
            [self.created_ns[number] for number in numbers],
            [self.micros[number] for number in numbers],
            [self.event_ids[number] for number in numbers] if self.event_ids else (),
            [self.extras[number] for number in numbers] if self.extras else (),
        )


def _joined(first: Sequence[Value], second: Sequence[Value]) -> Sequence[Value]:
    """A column of both; an empty one if no usage record has such a value."""
    return [*first, *second] if any(first) or any(second) else ()


def group_name(record: UsageRecord) -> GroupName:
    """The group of a usage record."""
    return GroupName(
        record.product,
        record.account,
        record.dimension,
        record.license_arn,
        record.created_ns // NS_PER_HOUR,
        record.tags,
    )
