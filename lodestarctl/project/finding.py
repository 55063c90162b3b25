"""The project's file around a folder.

Law: it is read to be shown and handed to the daemon, which judges it; nothing here follows it.
"""

from pathlib import Path
from typing import NamedTuple

from lodestarctl.usage import UsageError

FILE = ".lodestar.toml"
MOST_BYTES = 16 * 1024


class Found(NamedTuple):
    """A file that is there: its folder, and what it says."""

    folder: str
    text: str


def find_project(start: str) -> Found:
    """The nearest file at or above ``start`` (empty: the current folder). Raises ``UsageError``."""
    folder = Path(start or ".").resolve()
    for place in (folder, *folder.parents):
        if (place / FILE).is_file():
            return Found(str(place), read_text(place / FILE))
    raise UsageError(f"there is no {FILE} in {folder} or above it; lodestarctl project init writes one")


def find_folder(start: str) -> str:
    """The folder of that file, or ``start`` itself where there is none any more."""
    folder = Path(start or ".").resolve()
    return next((str(place) for place in (folder, *folder.parents) if (place / FILE).is_file()), str(folder))


def read_text(file: Path) -> str:
    try:
        with file.open("rb") as stream:
            data = stream.read(MOST_BYTES + 1)
        text = data.decode()
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"can't read {file}: {error}") from None
    if len(data) > MOST_BYTES:
        raise UsageError(f"{file} is larger than {MOST_BYTES} bytes")
    return text
