"""What a power cut may leave of a folder's files, by a record of what was asked of the disk.

Law: what was synced is there. Of what was not, each write may be there, be missing, be torn at a sector or have left
garbage in it, in whatever order; a new name, a deleted one and a truncation may have come to pass or not. A file
whose name is not on the disk is gone, however well its contents were synced.
"""

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from tests.faults.recorder import Name, Operation, Record, Sync, SyncFolder, Truncate, Write

Change = Write | Truncate
SECTORS = (512, 4096)


@dataclass
class Inode:
    """A file: what is on the disk of it, and what was changed since."""

    data: bytearray = field(default_factory=bytearray)
    changes: list[Change] = field(default_factory=list)

    def sync(self) -> None:
        for change in self.changes:
            apply(self.data, change)
        self.changes.clear()


@dataclass
class Disk:
    """A folder at some moment of its record. ``names``: what each may mean, the durable meaning first."""

    inodes: dict[int, Inode] = field(default_factory=dict)
    names: dict[str, list[int | None]] = field(default_factory=dict)

    def step(self, operation: Operation) -> None:
        match operation:
            case Write() | Truncate():
                self._inode(operation.inode).changes.append(operation)
            case Sync(inode):
                self._inode(inode).sync()
            case Name(name, inode):
                self.names.setdefault(name, [None]).append(inode)
            case SyncFolder():
                self.names = {name: meanings[-1:] for name, meanings in self.names.items()}

    def _inode(self, number: int) -> Inode:
        return self.inodes.setdefault(number, Inode())

    def crash(self, luck: random.Random) -> dict[str, bytes]:
        """The files that may be found when the power is back."""
        fate = Fate(luck)
        found = {name: luck.choice(meanings) for name, meanings in self.names.items()}
        return {name: fate.decide(self._inode(inode)) for name, inode in found.items() if inode is not None}


class Fate:
    """One power cut: how much of what was not synced comes through, and how big a sector is."""

    def __init__(self, luck: random.Random) -> None:
        self._luck = luck
        self._kept = luck.choice((0.0, 0.1, 0.5, 0.9, 1.0))
        self._torn = luck.choice((0.0, 0.2, 0.5))
        self._in_order = luck.random() < 0.5
        self._sector = luck.choice(SECTORS)

    def decide(self, inode: Inode) -> bytes:
        """The file as it is found."""
        data, changes = bytearray(inode.data), list(inode.changes)
        if self._in_order:
            changes = changes[: round(len(changes) * self._luck.random())] if self._kept < 1 else changes
        else:
            changes = [change for change in changes if self._luck.random() < self._kept]
            self._luck.shuffle(changes)
        for number, change in enumerate(changes, 1):
            torn = number == len(changes) if self._in_order else self._luck.random() < self._torn
            if isinstance(change, Write) and torn:
                self._tear(data, change)
            else:
                apply(data, change)
        return bytes(data)

    def _tear(self, data: bytearray, write: Write) -> None:
        """Each sector of it is there, is not, or is garbage."""
        at, end = write.offset, write.offset + len(write.data)
        while at < end:
            upto = min(end, (at // self._sector + 1) * self._sector)
            part = write.data[at - write.offset : upto - write.offset]
            match self._luck.randrange(5):
                case 0 | 1:
                    apply(data, Write(write.inode, at, part))
                case 2:
                    apply(data, Write(write.inode, at, self._luck.randbytes(len(part))))
            at = upto


def apply(data: bytearray, change: Change) -> None:
    """Change the contents of a file; what is skipped reads as zeros."""
    if isinstance(change, Truncate):
        del data[change.size :]
        data.extend(bytes(change.size - len(data)))
        return
    data.extend(bytes(max(0, change.offset - len(data))))
    data[change.offset : change.offset + len(change.data)] = change.data


def crash_images(record: Record, cuts: Sequence[int], luck: random.Random) -> Iterator[tuple[int, dict[str, bytes]]]:
    """For each of ``cuts``, a number of operations, in order: what may be found if the power failed after them."""
    disk = Disk({number: Inode(bytearray(data)) for number, data in enumerate(record.before.values(), 1)})
    disk.names = {name: [number] for number, name in enumerate(record.before, 1)}
    done = 0
    for cut in sorted(cuts):
        for operation in record.operations[done:cut]:
            disk.step(operation)
        done = cut
        yield cut, disk.crash(luck)


def lay_out(files: dict[str, bytes], folder: Path) -> None:
    """Make a folder of what was found."""
    folder.mkdir(parents=True)
    for name, data in files.items():
        (folder / name).write_bytes(data)
