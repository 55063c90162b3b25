"""The daily files: appending durably, and deleting what is too old. Everything here blocks.

Law: lines are written whole or not at all: what could not be written to its end is cut off again, so that trying once
more repeats nothing. The kernel's lock keeps two generations apart. A line that a crash has cut is closed by the next
one's beginning. Nothing is deleted that is not named like a file of ours.
"""

import fcntl
import os
import re
from datetime import date
from pathlib import Path

_NAME = re.compile(r"ledger-(\d{4}-\d{2}-\d{2})\.jsonl")


def file_of(folder: Path, day: str) -> Path:
    return folder / f"ledger-{day}.jsonl"


def append(folder: Path, day: str, data: bytes) -> None:
    """Append lines to the day's file (0600) and sync it. Raises ``OSError``; then none of them is in it."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    descriptor = os.open(file_of(folder, day), os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        size = os.fstat(descriptor).st_size
        try:
            _write(descriptor, _mended(descriptor, size) + data)
            os.fsync(descriptor)
        except OSError:
            os.ftruncate(descriptor, size)
            raise
    finally:
        os.close(descriptor)


def _mended(descriptor: int, size: int) -> bytes:
    return b"\n" if size and os.pread(descriptor, 1, size - 1) != b"\n" else b""


def _write(descriptor: int, data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[os.write(descriptor, view) :]


def delete_old(folder: Path, today: str, keep_days: int) -> list[str]:
    """Delete the files of days that are further back than that; their names. Raises ``OSError``."""
    if not folder.is_dir():
        return []
    gone = []
    for path in sorted(folder.iterdir()):
        match = _NAME.fullmatch(path.name)
        if match is not None and _age_days(match[1], today) >= keep_days:
            path.unlink()
            gone.append(path.name)
    return gone


def _age_days(day: str, today: str) -> int:
    try:
        return (date.fromisoformat(today) - date.fromisoformat(day)).days
    except ValueError:  # named like a day that no calendar has
        return 0
