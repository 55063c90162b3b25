"""The one file: read whole, replaced whole. Everything here blocks.

Law: what is read is what was written last, or nothing: it is written beside and renamed once it is on the disk.
"""

import os
from pathlib import Path

from lodestard.modules.eval_idle.book import Book, Saved, read_book, write_book

FILE = "eval-idle.json"
MODE = 0o600


def load(path: Path) -> Book:
    """What is in it; an empty book where there is none. Raises ``OSError``, and ``ValueError`` for a broken one."""
    try:
        return read_book(path.read_bytes())
    except FileNotFoundError:
        return Book()


def save(path: Path, saved: Saved) -> None:
    """Replace it. Raises ``OSError``; then the old one stays."""
    data = write_book(saved)
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
