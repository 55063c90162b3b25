"""Programs that stand in for ``nvidia-smi`` and ``ssh``: real processes that do what a test says."""

import os
import sys
from pathlib import Path

from tests.fakes.gpu_recordings import recorded

ROW = recorded("healthy_busy.csv").splitlines()[0]
SHEBANG = f"#!{sys.executable} -SE\nimport os, signal, sys, time\n"


def install(folder: Path, body: str, name: str = "nvidia-smi") -> Path:
    """An executable ``name`` in ``folder``. Each start adds a line to ``starts`` there: its pid and arguments."""
    note = (
        f"with open({str(folder / 'starts')!r}, 'a') as file:\n"
        "    file.write(' '.join([str(os.getpid()), *sys.argv]) + chr(10))\n"
        "def say(line):\n"
        "    os.write(1, line.encode() + b'\\n')\n"
    )
    program = folder / name
    program.write_text(f"{SHEBANG}{note}{body}\n")
    program.chmod(0o755)
    return program


def starts(folder: Path) -> list[tuple[int, list[str]]]:
    """Every start so far: its pid, and what it was called with."""
    file = folder / "starts"
    lines = file.read_text().splitlines() if file.exists() else []
    return [(int(line.split()[0]), line.split()[1:]) for line in lines]


def is_alive(pid: int) -> bool:
    """Whether there is such a process, a zombie too."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True
