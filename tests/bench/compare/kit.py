"""What the comparison needs of the machine: loaders, nginx, and two C programs that are compiled on demand.

Law: what is missing is told by name and never replaced by something slower without a word.
"""

import re
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

ROOT = Path(__file__).parents[3]
HERE = Path(__file__).parent
CACHE = ROOT / ".cache/bench"
SYSTEM_FOLDERS = ("/usr/sbin", "/usr/local/sbin")
LITELLM = ROOT / ".venv-litellm/bin/litellm"
PORTKEY = ROOT / ".node-portkey/node_modules/@portkey-ai/gateway"


class MissingError(Exception):
    """Something that must be installed first; its words say what."""


def find(name: str) -> str:
    """The path of a program. Raises ``MissingError``."""
    path = shutil.which(name)
    for folder in SYSTEM_FOLDERS:
        path = path or shutil.which(name, path=folder)
    if path is None:
        raise MissingError(f"{name} is not installed")
    return path


def compiled(name: str) -> str:
    """The path of a C program of this folder, newer than its source. Raises ``MissingError`` without a compiler."""
    source, program = HERE / f"{name}.c", CACHE / name
    if not program.exists() or program.stat().st_mtime < source.stat().st_mtime:
        CACHE.mkdir(parents=True, exist_ok=True)
        unfinished = program.with_suffix(".new")
        command = [find("gcc"), "-O2", "-Wall", "-Wextra", "-Werror", "-o", str(unfinished), str(source)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            raise MissingError(f"{source.name} can't be compiled here:\n{done.stderr[-2000:]}")
        unfinished.replace(program)
    return str(program)


def version_of(*command: str) -> str:
    """The first number with a dot that a program says when it is asked for its version, or nothing."""
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    number = re.search(r"\d+(\.\d+)+", done.stdout + done.stderr)
    return number.group() if number else ""


@contextmanager
def scratch(content: bytes) -> Iterator[Path]:
    """A file with ``content``, for as long as the context lasts."""
    with tempfile.NamedTemporaryFile(prefix="lodestar-bench-") as file:
        file.write(content)
        file.flush()
        yield Path(file.name)
