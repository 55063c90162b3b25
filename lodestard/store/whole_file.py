"""A small file that is written whole or not at all. Blocks."""

import os
from pathlib import Path

from lodestard.store.database import sync_folder


def write_whole(path: Path, data: bytes) -> None:
    """Put a new file (0600) in the place of ``path``; on return it is on the disk. Raises ``OSError``; then what was
    there before still is.

    What an earlier try has left is taken away, never written into.
    """
    part = path.with_name(f"{path.name}.part")
    part.unlink(missing_ok=True)
    descriptor = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(descriptor)
        part.replace(path)
    except OSError:
        part.unlink(missing_ok=True)
        raise
    sync_folder(path.parent)
