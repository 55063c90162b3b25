"""A small file that survives the daemon: what was learned, as bytes that only their owner reads.

Law: implements ``domain.host_ports.Keepsake``. The file is written whole or not at all, and a checksum says whether
what is read is what was saved: a lost or damaged one is an empty one, and nothing worse. The blocking work runs in
the executor; what is saved by two owners at once (a reload) is saved one after the other, the last one stays.
"""

import hashlib
import logging
import os
import stat
import threading
from functools import partial
from pathlib import Path

from lodestard.domain.errors import Code, HouseFault
from lodestard.store.database import prepare_folder
from lodestard.store.executor import Run, run_in_thread
from lodestard.store.faults import fault_of
from lodestard.store.whole_file import write_whole

MOST_BYTES = 4 * 1024 * 1024
_MARK = b"lodestard keepsake 1 "
_HEAD_BYTES = len(_MARK) + 64 + 1
_WRITING = threading.Lock()
_log = logging.getLogger(__name__)


class FileKeepsake:
    """``domain.host_ports.Keepsake`` in the file ``path`` (0600), whose folder is made where it is missing."""

    def __init__(self, path: Path, *, run: Run = run_in_thread) -> None:
        self._path = path
        self._run = run

    async def load(self) -> bytes:
        """What was saved last. Nothing, and a warning in the log, where it can't be read or is damaged.

        A file that is not there is no reason to warn: so it is when everything is new.
        """
        return await self._run(partial(_load, self._path))

    async def save(self, data: bytes) -> None:
        """Replace it; on return it is on the disk. Cancelled, it is saved all the same.

        Raises ``HouseFault(STORE_UNAVAILABLE)``; what was saved before is kept then.
        """
        await self._run(partial(_save, self._path, data))


def _load(path: Path) -> bytes:
    try:
        text = _read(path)
    except FileNotFoundError:
        return b""
    except OSError as error:
        return _warn(path, error.strerror or type(error).__name__)
    data = text[_HEAD_BYTES:]
    if len(data) > MOST_BYTES:
        return _warn(path, f"it is larger than {MOST_BYTES} bytes")
    if text[:_HEAD_BYTES] != _head(data):
        return _warn(path, "it is damaged, or none of ours")
    return data


def _read(path: Path) -> bytes:
    """All of it, or a byte more than it may hold. Nothing of what is no plain file: reading that might never end."""
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            return b""
        with os.fdopen(descriptor, "rb", closefd=False) as file:
            return file.read(_HEAD_BYTES + MOST_BYTES + 1)
    finally:
        os.close(descriptor)


def _save(path: Path, data: bytes) -> None:
    if len(data) > MOST_BYTES:
        raise HouseFault(
            Code.STORE_UNAVAILABLE, f"{path}: {len(data)} bytes are more than it may hold ({MOST_BYTES})"
        )
    with _WRITING:
        try:
            prepare_folder(path.parent)
            write_whole(path, _head(data) + data)
        except OSError as error:
            raise fault_of(path, error) from error


def _head(data: bytes) -> bytes:
    return _MARK + hashlib.sha256(data).hexdigest().encode() + b"\n"


def _warn(path: Path, reason: str) -> bytes:
    _log.warning("%s can't be used (%s): what was learned is learned anew", path, reason)
    return b""
