"""Usage between `record()` and the store, in a directory.

    <owner>-000001.journal           what is being recorded, or was when its process died
    <owner>-000001-<crc>.jsonl       the frozen usage records of a finished journal: a batch
    <owner>.owner                    held by the process that will finish them; where they go
    refused.jsonl                    what the store refuses, with the reason
    *.damaged                        lines that are not as they were written

A journal is finished in this order, so that a kill at any point loses and doubles nothing: the
batch is written whole under another name and synced, gets its name, and the journal goes. Then it
is put, then the batch goes. Where both are found, the journal is not looked at.

Before the first put of an owner's usage its file says region and account: a name alone leads to
another table in another shell, where a sum that may be in the first one would count once more.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from zlib import crc32

from marketplace_metering.core.record import UsageRecord
from marketplace_metering.recorder.errors import SpoolUnusableError
from marketplace_metering.recorder.log import log
from marketplace_metering.recorder.place import Place
from marketplace_metering.recorder.segments import Segment
from marketplace_metering.recorder.spool.batch_file import DamagedBatchError, read_text, text_of
from marketplace_metering.recorder.spool.journal import FileJournal, read_journal, unusable
from marketplace_metering.recorder.spool.memory import SpooledBatch
from marketplace_metering.recorder.spool.owner_lock import (
    SUFFIX,
    Owner,
    adopt_owner,
    become_owner,
    sweep,
)

JOURNAL = ".journal"
BATCH = ".jsonl"
REFUSED = "refused.jsonl"


@dataclass(slots=True)
class _Owned:
    """An owner and the batches that it still has."""

    owner: Owner
    batches: set[Path] = field(default_factory=set)
    is_mine: bool = False


class DiskSpool:
    """Usage that survives a kill; see `Spool`."""

    def __init__(self, directory: str, destination: str, *, fsync: bool = False) -> None:
        self.directory = Path(directory)
        self._destination = destination
        self._fsync = fsync
        self._begin()

    def _begin(self) -> None:
        """A spool that holds nothing: no name, no lock, no file."""
        self._number = 0
        self._mine: _Owned | None = None
        self._adopted: dict[str, _Owned] = {}
        self._others: set[str] = set()  # owners that write to another destination
        self._journals: list[FileJournal] = []

    def has_leftovers(self) -> bool:
        return any(self._owner_files())

    def segment(self) -> Segment:
        if self._mine is None:
            owner = become_owner(self.directory, self._destination)
            self._mine = _Owned(owner, is_mine=True)
        self._number += 1
        name = f"{self._mine.owner.name}-{self._number:06d}"
        journal = FileJournal(self.directory / f"{name}{JOURNAL}", name)
        if self._fsync:
            self._sync_directory()
        self._journals.append(journal)
        return Segment(name, journal)

    def freeze(self, segment: Segment) -> SpooledBatch:
        assert isinstance(segment.journal, FileJournal)
        assert self._mine is not None
        batch = self._write(segment, self._mine)
        segment.journal.close()
        if segment.journal in self._journals:
            self._journals.remove(segment.journal)
        segment.journal.path.unlink(missing_ok=True)
        return batch

    def _write(self, segment: Segment, owned: _Owned) -> SpooledBatch:
        text = text_of(segment.usage_records())
        path = self.directory / f"{segment.name}-{crc32(text):08x}{BATCH}"
        hidden = self.directory / f".{segment.name}{BATCH}"
        try:
            with hidden.open("wb") as file:
                file.write(text)
                file.flush()
                os.fsync(file.fileno())
            hidden.rename(path)
        except OSError as error:
            raise unusable(path, error) from error
        if self._fsync:
            self._sync_directory()
        owned.batches.add(path)
        return SpooledBatch(len(text), path=path, owner=owned.owner)

    def adopt(self) -> list[SpooledBatch]:
        sweep(self.directory)
        return [batch for path in self._owner_files() for batch in self._adopt(path)]

    def _adopt(self, path: Path) -> list[SpooledBatch]:
        try:
            owner = adopt_owner(path)
        except OSError as error:
            self._others.add(path.name.removesuffix(SUFFIX))
            log().error(
                f"usage waits in the spool, but {path} cannot be opened: {error.strerror}; "
                "give its files to the user that this process runs as"
            )
            return []
        if owner is None:
            return []
        if not owner.goes_to(self._destination):
            self._others.add(owner.name)
            owner.release(is_done=False)
            log().error(
                f"the spool has usage for {owner.destination or 'an unreadable destination'}, "
                f"which this recorder leaves alone: {path.name}"
            )
            return []
        owned = self._adopted[owner.name] = _Owned(owner)
        try:
            found = list(self._finish(owned))
        except (OSError, SpoolUnusableError) as error:
            del self._adopted[owner.name]
            owner.release(is_done=False)
            log().error(f"what {owner.name} left is not recovered yet: {error}")
            return []
        self._release_if_done(owned)
        return found

    def _owner_files(self) -> Iterator[Path]:
        mine = self._mine.owner.name if self._mine is not None else None
        try:
            names = sorted(os.listdir(self.directory))
        except FileNotFoundError:
            return
        except OSError as error:
            raise unusable(self.directory, error) from error
        for file in names:
            name = file.removesuffix(SUFFIX)
            if name in (file, mine) or name in self._adopted or name in self._others:
                continue
            yield self.directory / file

    def _finish(self, owned: _Owned) -> Iterator[SpooledBatch]:
        """The batches of a dead owner, and its journals as batches."""
        name = owned.owner.name
        batches = sorted(self.directory.glob(f"{name}-*{BATCH}"))
        frozen = {path.name.rsplit("-", 1)[0] for path in batches}
        for path in batches:
            owned.batches.add(path)
            yield SpooledBatch(path.stat().st_size, path=path, owner=owned.owner)
        for path in sorted(self.directory.glob(f"{name}-*{JOURNAL}")):
            journal = path.name.removesuffix(JOURNAL)
            if journal not in frozen:
                segment = self._recover(path, journal)
                if segment.entries:
                    yield self._write(segment, owned)
            path.unlink(missing_ok=True)
        for path in self.directory.glob(f".{name}*"):
            path.unlink(missing_ok=True)

    def _recover(self, path: Path, name: str) -> Segment:
        lines = read_journal(path, name)
        segment = Segment(name)
        damaged = lines.damaged + segment.replay(lines.good)
        if damaged:
            kept = path.with_name(f"{path.name}.damaged")
            kept.write_bytes(b"\n".join(damaged) + b"\n")
            log().error(
                f"{len(damaged)} lines of {path.name} are damaged, by a power "
                f"cut or a fault of the disk: they are kept in {kept.name} and were not counted"
            )
        return segment

    def bind(self, batch: SpooledBatch, place: Callable[[], Place]) -> bool:
        owner = batch.owner
        assert owner is not None
        is_mine = self._mine is not None and owner is self._mine.owner
        if not is_mine and owner.name not in self._adopted:
            return False  # left alone, with an earlier batch
        here, bound = place(), owner.place
        if bound.may_be(here):
            if (known := bound.filled_by(here)) != bound:
                owner.bind(known)
                self._sync_directory()
            return True
        if is_mine:
            raise SpoolUnusableError(
                f"this recorder's usage may be in the table of {bound}, and its settings now lead "
                f"to {here}: it waits"
            )
        del self._adopted[owner.name]
        self._others.add(owner.name)
        owner.release(is_done=False)
        log().error(
            f"the spool has usage that may be in {owner.destination} of {bound}; this recorder "
            f"writes to {here} and leaves it alone: {owner.path.name}. Start one with that region "
            "and credentials of that account"
        )
        return False

    def load(self, batch: SpooledBatch) -> list[UsageRecord]:
        """The usage records of a batch; of a damaged one none, and it is set aside."""
        assert batch.path is not None
        try:
            text = batch.path.read_bytes()
        except FileNotFoundError:
            log().error(f"{batch.path.name} is gone: it was taken away")
            return []
        try:
            if not batch.path.stem.endswith(f"-{crc32(text):08x}"):
                raise DamagedBatchError("its checksum is another")
            return read_text(text)
        except DamagedBatchError as error:
            kept = batch.path.with_name(f"{batch.path.name}.damaged")
            batch.path.rename(kept)
            log().error(f"{kept.name} cannot be delivered: {error}; it is kept for a person")
            return []

    def forget(self, batch: SpooledBatch) -> None:
        assert batch.path is not None and batch.owner is not None
        batch.path.unlink(missing_ok=True)
        owned = self._adopted.get(batch.owner.name) or self._mine
        assert owned is not None
        owned.batches.discard(batch.path)
        self._release_if_done(owned)

    def _release_if_done(self, owned: _Owned) -> None:
        if not owned.is_mine and not owned.batches:
            del self._adopted[owned.owner.name]
            owned.owner.release(is_done=True)

    def refuse(self, line: bytes) -> None:
        """Keep what the store refuses; several processes may write here at once."""
        flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC
        descriptor = os.open(self.directory / REFUSED, flags, 0o600)
        with contextlib.closing(os.fdopen(descriptor, "ab", buffering=0)) as file:
            file.write(line)

    def close(self) -> None:
        """Leave what is left to the next recorder."""
        for journal in self._journals:
            journal.close()
        if self._mine is not None:
            is_done = not self._mine.batches and not self._journals
            self._mine.owner.release(is_done=is_done)
        for owned in self._adopted.values():
            owned.owner.release(is_done=False)
        self._begin()

    def abandon(self) -> None:
        """In a fork: close what was inherited, take no lock away, touch no file."""
        for journal in self._journals:
            journal.drop()
        if self._mine is not None:
            self._mine.owner.drop()
        for owned in self._adopted.values():
            owned.owner.drop()
        self._begin()

    def _sync_directory(self) -> None:
        descriptor = os.open(self.directory, os.O_RDONLY | os.O_CLOEXEC)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
