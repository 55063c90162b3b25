"""Files that are written whole or not at all.

Law: what stands under the name is what was there before, or all of the new; a part is never taken for the whole.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

from lodestarctl.usage import UsageError

PART = ".part"


@contextmanager
def open_whole(name: str, *, replace: bool) -> Iterator[BinaryIO]:
    """Write to ``name``.part, which becomes ``name`` when the block ends, and goes where it raises.

    What is no regular file (/dev/null, a pipe) is written to as it is. Raises ``UsageError`` where ``name`` can't be
    written, or is there and must not be replaced.
    """
    path = Path(name)
    if path.exists() and not replace:
        raise UsageError(f"{name} is there already; say -o {name} to replace it")
    whole = path.exists() and not path.is_file()
    part = path if whole else path.with_name(path.name + PART)
    try:
        file = part.open("wb")
    except OSError as error:
        raise UsageError(f"can't write {part}: {error.strerror}") from None
    try:
        with file:
            yield file
            file.flush()
            if not whole:
                os.fsync(file.fileno())
        if not whole:
            part.replace(path)
    except BaseException:
        if not whole:
            with suppress(FileNotFoundError):
                part.unlink()
        raise
