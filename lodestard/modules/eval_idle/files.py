"""The one file: read whole, replaced whole. Everything here blocks.

Law: what is read is what was written last, or nothing: it is written beside and renamed once it is on the disk.
"""

import os
from pathlib import Path

FILE = "eval-idle.json"
MODE = 0o600


def load(path: Path) -> bytes:
    """What is in it; empty where there is none. Raises ``OSError``."""
    try:
        return path.read_bytes()
    except FileNotFoundError:
        return b""


def save(path: Path, data: bytes) -> None:
    """Replace it. Raises ``OSError``; then the old one stays."""
    new = path.with_suffix(".new")
    descriptor = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW | os.O_CLOEXEC, MODE)
    try:
        view = memoryview(data)
        while view:
            view = view[os.write(descriptor, view) :]
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
    new.rename(path)
