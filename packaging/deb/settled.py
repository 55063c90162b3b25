"""Files that are the same wherever they were made: one time, plain modes, bytecode for where they will stand."""

import os
import subprocess
from pathlib import Path

PYTHON = "/usr/bin/python3.11"
MODULES_PLACE = "/opt/lodestard/lib/python3.11/site-packages"


def settle(tree: Path, moment_s: int) -> None:
    """One time for everything; what is executable stays so, all else is plain."""
    for path in [tree, *tree.rglob("*")]:
        if not path.is_symlink():
            path.chmod(0o755 if path.is_dir() or is_program(path) else 0o644)
        os.utime(path, (moment_s, moment_s), follow_symlinks=False)


def is_program(path: Path) -> bool:
    """Run by somebody, not read by the interpreter or the loader."""
    return path.suffix not in (".py", ".pyc", ".so") and os.access(path, os.X_OK)


def compile_modules(modules: Path) -> None:
    """Bytecode, which is the package's own, so that nothing is made or left behind where it is installed.

    One process in one order, with one seed: sets of constants are written in the order that they happen to have.
    """
    moved = ("-s", str(modules), "-p", MODULES_PLACE)
    environ = {"PYTHONHASHSEED": "0", "PATH": "/usr/bin"}
    subprocess.run([PYTHON, "-m", "compileall", "-q", *moved, str(modules)], check=True, env=environ, cwd="/")
