"""Writes files whole or not at all, with their rights from the first byte, and keeps what was there.

Law: a new file, synced, renamed over the old one; a name that is a link is replaced, never followed.
"""

import os
import re
import shutil
import tempfile
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

SECRET_MODE = 0o600
SECRET_FOLDER_MODE = 0o700
FILE_MODE = 0o644
FOLDER_MODE = 0o755
BACKUP = ".bak"
OWNER = "lodestar"
_LIST = re.compile(r"(?<== )\[\n((?: {4}\"[^\"\\\n]*\",\n)+)\]")


def main_text() -> str:
    """The main file where there was none: nothing in it is said twice."""
    return (
        "# Lodestar's configuration: yours to edit. lodestarctl setup made this file, and keeps what it was told in\n"
        "# conf.d/20-setup.toml beside it; what stands in conf.d is laid over this file. docs/configuration.md\n"
        "# explains every key, and lodestarctl config check finds mistakes.\n"
    )


def drop_in_text(tables: Mapping[str, Any]) -> str:
    """Setup's own file."""
    import tomli_w

    head = (
        "# Written by lodestarctl setup, which writes it anew when it is run again. To undo all of it, remove this\n"
        "# file and say lodestarctl config reload; the one before is beside it, as .bak. Your own settings belong\n"
        "# in the main file or in a drop-in of another name: one that sorts after this one has the last word, and\n"
        "# so has what lodestarctl config set writes. Keys of providers are never in here.\n\n"
    )
    return head + _LIST.sub(_on_one_line, tomli_w.dumps(dict(tables)))


def _on_one_line(found: re.Match[str]) -> str:
    return f"[{', '.join(line.strip().rstrip(',') for line in found[1].splitlines())}]"


def write_whole(path: Path, data: bytes, *, secret: bool = False) -> None:
    """Raises ``OSError``, of ``path``."""
    try:
        _write(path, data, secret=secret)
    except OSError as error:
        error.filename = str(path)
        raise


def _write(path: Path, data: bytes, *, secret: bool) -> None:
    make_folder(path.parent, SECRET_FOLDER_MODE if secret else FOLDER_MODE)
    descriptor, temporary = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)  # made with 0600
    try:
        with os.fdopen(descriptor, "wb") as stream:
            stream.write(data)
            stream.flush()
            if not secret:
                os.fchmod(descriptor, FILE_MODE)
            os.fsync(descriptor)
        Path(temporary).replace(path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise
    _sync(path.parent)


def make_folder(folder: Path, mode: int) -> None:
    """With those above it. The daemon writes to ``conf.d`` too: where it has a user, that one owns it."""
    for each in reversed([folder, *folder.parents]):
        if not each.exists():
            each.mkdir(mode=mode if each == folder else FOLDER_MODE)
            if each.name == "conf.d" and os.geteuid() == 0:
                with suppress(LookupError, OSError):
                    shutil.chown(each, OWNER, OWNER)


def keep_backup(path: Path) -> Path | None:
    """What stands at ``path``, once more beside it; None where nothing does."""
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        return None
    backup = path.with_name(path.name + BACKUP)
    write_whole(backup, data)
    return backup


def remove(path: Path) -> bool:
    """Whether it was there."""
    try:
        path.unlink()
    except FileNotFoundError:
        return False
    _sync(path.parent)
    return True


def _sync(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
