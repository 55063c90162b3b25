"""A disk that fails when it is told to: an SQLite VFS over the real one, the default while it is installed."""

from collections.abc import Iterator
from contextlib import contextmanager

import apsw

PAGE = 4096


class FaultyDisk:
    """Counts writes and syncs, with ``thorough`` opens, truncations and deletions too.

    Fails the ``fail_at``-th (once), or all while ``full``. While ``rotten`` pages of ``rots`` read wrong.
    """

    def __init__(self, *, thorough: bool = False) -> None:
        self.operations = 0
        self.fail_at = 0
        self.full = False
        self.thorough = thorough
        self.rotten = False
        self.rots = ""

    def touch(self, what: str) -> None:
        self.operations += 1
        if self.full:
            raise apsw.FullError("full")
        if self.operations == self.fail_at:
            raise (apsw.CantOpenError if what == "open" else apsw.IOError)(f"{what} failed")

    def touch_rarer(self, what: str) -> None:
        if self.thorough:
            self.touch(what)


@contextmanager
def faulty_disk(*, thorough: bool = False) -> Iterator[FaultyDisk]:
    """Files opened meanwhile are on the faulty disk; they must be closed before leaving."""
    disk = FaultyDisk(thorough=thorough)

    class File(apsw.VFSFile):
        def __init__(self, name: str | apsw.URIFilename | None, flags: list[int]) -> None:
            super().__init__("unix", name, flags)
            path = name.filename() if isinstance(name, apsw.URIFilename) else name or ""
            self.rots = bool(disk.rots) and disk.rots in path.rpartition("/")[2]

        def xRead(self, amount: int, offset: int) -> bytes:  # noqa: N802
            data = super().xRead(amount, offset)
            if self.rots and disk.rotten and amount >= PAGE:
                return bytes(255 - byte for byte in data)
            return data

        def xWrite(self, data: bytes, offset: int) -> None:  # noqa: N802
            disk.touch("write")
            super().xWrite(data, offset)

        def xSync(self, flags: int) -> None:  # noqa: N802
            disk.touch("sync")
            super().xSync(flags)

        def xTruncate(self, size: int) -> None:  # noqa: N802
            disk.touch_rarer("truncation")
            super().xTruncate(size)

    class Disk(apsw.VFS):
        def __init__(self) -> None:
            super().__init__("faulty", "unix", makedefault=True)

        def xOpen(self, name: str | apsw.URIFilename | None, flags: list[int]) -> File:  # noqa: N802
            disk.touch_rarer("open")
            return File(name, flags)

        def xDelete(self, name: str, sync: bool) -> None:  # noqa: N802
            disk.touch_rarer("deletion")
            super().xDelete(name, sync)

    vfs = Disk()
    try:
        yield disk
    finally:
        vfs.unregister()
        apsw.set_default_vfs("unix")
