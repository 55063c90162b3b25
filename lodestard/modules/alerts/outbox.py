"""What was told and to whom it is still to be told, in memory and in a file of its own.

Law: one owner at a time: while a generation retires, the next one waits for the file's lock. The file is replaced
whole, so it is never half written; one that can't be read is set aside. Owner of ``alerts.json`` in the state folder.
"""

import fcntl
import logging
import os
from collections.abc import Container, Iterable
from functools import partial
from pathlib import Path

import msgspec
import trio

from lodestard.domain.news import Alert
from lodestard.modules.alerts.notice import Notice

KEPT = 200
LOCK_PAUSE_S = 0.1

logger = logging.getLogger(__name__)


class _File(msgspec.Struct, frozen=True):
    version: int
    notices: tuple[Notice, ...]


class Outbox:
    """The newest notices, in the order in which they were heard. Changed in sync code only."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self._turn = trio.Lock()
        self._lock: int | None = None
        self._sound = True
        self.notices: list[Notice] = []
        self.dropped = 0

    def add(self, alert: Alert, at_ms: int, channels: Iterable[str]) -> bool:
        """False where it has been told before."""
        if any(notice.alert.key == alert.key for notice in self.notices):
            return False
        self.notices.append(Notice(alert=alert, at_ms=at_ms, pending=tuple(channels)))
        self._bound()
        return True

    def waiting_for(self, channel: str) -> list[Notice]:
        return [notice for notice in self.notices if channel in notice.pending]

    def settle(self, notice: Notice, channel: str, why_not: str = "") -> None:
        """``channel`` has got it, or never will."""
        for index, known in enumerate(self.notices):
            if known.alert.key == notice.alert.key:
                pending = tuple(name for name in known.pending if name != channel)
                failed = {**known.failed, channel: why_not} if why_not else known.failed
                self.notices[index] = msgspec.structs.replace(known, pending=pending, failed=failed)

    def forget_channels(self, known: Container[str]) -> None:
        """What was to go by a way that is not set up any more goes nowhere."""
        for notice in tuple(self.notices):
            for channel in notice.pending:
                if channel not in known:
                    self.settle(notice, channel, "it is not set up any more")

    async def open(self) -> None:
        """Wait until no other generation owns the file, then take in what it has. Without a file: in memory only."""
        try:
            self._lock = await _take_lock(self._file.with_suffix(".lock"))
            earlier = await trio.to_thread.run_sync(read_file, self._file)
        except OSError as error:
            self._note(error)
            self.close()  # what could not be read must not be written over
            return
        known = {notice.alert.key for notice in earlier}
        self.notices = [*earlier, *(notice for notice in self.notices if notice.alert.key not in known)]
        self._bound()

    async def save(self) -> None:
        """Write the file. A failure is logged once; what is not on the disk is still in memory."""
        if self._lock is None:
            return
        async with self._turn:
            data = msgspec.json.encode(_File(1, tuple(self.notices)))
            try:
                await trio.to_thread.run_sync(partial(write_file, self._file, data))
            except OSError as error:
                self._note(error)
            else:
                self._sound = True

    def close(self) -> None:
        """Let the next owner have the file."""
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None

    def _bound(self) -> None:
        for lost in self.notices[:-KEPT]:
            if lost.pending:
                self.dropped += 1
                logger.error("an alert was dropped before it was delivered, %d in all: too many", self.dropped)
        del self.notices[:-KEPT]

    def _note(self, error: OSError) -> None:
        if self._sound:
            logger.error("alerts are kept in memory only: %s: %s", self._file.name, error.strerror)
        self._sound = False


async def _take_lock(file: Path) -> int:
    """A descriptor that has the file's lock. Whoever is cancelled while it waits has none, and may not write."""
    descriptor = os.open(file, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        while not _try_lock(descriptor):  # noqa: ASYNC110  the kernel's lock has no event
            await trio.sleep(LOCK_PAUSE_S)
    except BaseException:
        os.close(descriptor)
        raise
    return descriptor


def _try_lock(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def read_file(file: Path) -> tuple[Notice, ...]:
    """What the file has; nothing where there is none. One that makes no sense is set aside. Raises ``OSError``."""
    try:
        return msgspec.json.decode(file.read_bytes(), type=_File).notices
    except FileNotFoundError:
        return ()
    except (msgspec.MsgspecError, UnicodeDecodeError):
        logger.warning("%s can't be read: set aside as %s.damaged", file.name, file.name)
        file.replace(file.with_name(f"{file.name}.damaged"))
        return ()


def write_file(file: Path, data: bytes) -> None:
    """Replace the file, durably. Raises ``OSError``."""
    fresh = file.with_name(f"{file.name}.new")
    descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
    with os.fdopen(descriptor, "wb") as out:
        out.write(data)
        out.flush()
        os.fsync(descriptor)
    fresh.replace(file)
