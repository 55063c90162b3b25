"""The locked libraries, for Debian's Python: installed, trimmed, compiled, and kept until a lock changes.

Law: nothing is in them that is never run: no tests, headers, sources in C, stubs, or programs of SQLite's. They have
no RECORD, so that installers of Python packages leave them to dpkg.
"""

import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from settled import PYTHON, compile_modules, settle

ROOT = Path(__file__).resolve().parents[2]
LOCKS = ROOT / "packaging/locks"
PIP = (sys.executable, "-m", "pip", "--disable-pip-version-check", "--no-input", "-qq")
MOMENT_S = 1_580_601_600
"""The time of their files: what has not changed from one package to the next looks the same."""

DEAD_FOLDERS = ("__pycache__", "tests", "test", "include", "sqlite_extra_binaries")
DEAD_SUFFIXES = (".pyi", ".pyx", ".pxd", ".c", ".h")
DEAD_PAPERS = ("RECORD", "INSTALLER", "REQUESTED", "direct_url.json")
"""What an installer notes for itself; it has this machine's folders in it."""


def kept(cache: Path) -> Path:
    """A folder with ``modules``, and ``records``: which files are whose."""
    locks = [(LOCKS / name).read_bytes() for name in ("run.txt", "build.txt", "systemd.txt")]
    recipe = [(Path(__file__).with_name(name)).read_bytes() for name in ("libraries.py", "settled.py")]
    about = told(PYTHON, "--version").encode()
    name = hashlib.sha256(b"\0".join([about, *recipe, *locks])).hexdigest()[:12]
    folder = cache / f"libraries-{name}"
    if not folder.exists():
        cache.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=cache) as workshop:
            made = make(Path(workshop))
            if not folder.exists():  # somebody else may have been quicker
                made.rename(folder)
    return folder


def make(workshop: Path) -> Path:
    """Install, note whose the files are, and leave out what nobody runs."""
    made, modules = workshop / "made", workshop / "made/modules"
    made.mkdir()
    install(workshop).rename(modules)
    for info in sorted(modules.glob("*.dist-info")):
        (made / "records").mkdir(exist_ok=True)
        shutil.copyfile(info / "RECORD", made / "records" / info.name)
    drop_dead_weight(modules)
    told("strip", "--strip-unneeded", *map(str, sorted(modules.rglob("*.so*"))))
    settle(modules, MOMENT_S)
    compile_modules(modules)
    settle(modules, MOMENT_S)
    return made


def install(workshop: Path) -> Path:
    """systemd-python exists as a source only; the rest are wheels."""
    builder, venv = workshop / "builder", workshop / "venv"
    for folder in (builder, venv):
        told(PYTHON, "-m", "venv", "--without-pip", str(folder))
    locked = ("--require-hashes", "--no-deps")
    pip(builder, "install", *locked, "-r", str(LOCKS / "build.txt"))
    os.environ["CFLAGS"] = "-g0"  # debug symbols would name the folder
    wheel = ("wheel", "--no-build-isolation", "--no-cache-dir", "--wheel-dir", str(workshop))
    pip(builder, *wheel, *locked, "-r", str(LOCKS / "systemd.txt"))
    pip(venv, "install", "--no-compile", "--only-binary=:all:", *locked, "-r", str(LOCKS / "run.txt"))
    pip(venv, "install", "--no-compile", "--no-deps", *map(str, workshop.glob("systemd_python-*.whl")))
    return venv / "lib/python3.11/site-packages"


def pip(venv: Path, command: str, *arguments: str) -> None:
    """This interpreter's pip, acting for ``venv``, which has none."""
    told(*PIP[:3], "--python", str(venv / "bin/python"), *PIP[3:], command, *arguments)


def drop_dead_weight(modules: Path) -> None:
    """What nobody runs."""
    for path in sorted(modules.rglob("*"), reverse=True):
        if path.is_dir() and path.name in DEAD_FOLDERS:
            shutil.rmtree(path)
        elif path.suffix in DEAD_SUFFIXES or (path.name in DEAD_PAPERS and path.parent.suffix == ".dist-info"):
            path.unlink()


def told(*command: str) -> str:
    """What ``command`` said; its complaints go where ours do."""
    return subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True).stdout
