"""The Debian package that users get, built once for all tests; its files as binds for those that install nothing.

What is built is kept in the cache folder by the digest of what it is made from.
"""

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterable
from pathlib import Path

from tests.systemd.debian import cache_dir, digest, kept, run

ROOT = Path(__file__).parents[2]
SOURCES = (
    *("lodestard", "lodestarctl", "packaging", "config", "docs"),
    *("pyproject.toml", "README.md", "LICENSE", "CHANGELOG.md"),
)
DEBIANS_PYTHON = "/usr/bin/python3.11"
MOMENT_S = "1700000000"
OLD_S = 86_400
OPT, UNITS = "opt/lodestard", "usr/lib/systemd/system"
CONFIGS = ("usr/lib/sysusers.d/lodestard.conf", "usr/lib/tmpfiles.d/lodestard.conf")


def missing_python() -> str:
    """Why no package for Debian 12 can be made here; empty where one can."""
    if not Path(DEBIANS_PYTHON).exists():
        return f"missing on this machine: {DEBIANS_PYTHON}"
    if not Path("/usr/include/python3.11/Python.h").exists() or not shutil.which("gcc"):
        return "missing on this machine: gcc, python3-dev (make systemd-tools)"
    if subprocess.run(["pkg-config", "--exists", "libsystemd"], check=False).returncode:
        return "missing on this machine: libsystemd-dev (make systemd-tools)"
    return ""


def package() -> Path:
    """The package of this checkout."""
    return built(ROOT, sources(ROOT))


def built(root: Path, files: Iterable[Path]) -> Path:
    """The package of the checkout at ``root``, by its own builder; times are the same for all."""
    what = [part for path in files for part in (str(path.relative_to(root)), path.read_bytes())]
    folder = kept(f"deb-{digest(*what)}", lambda out: build(root, out))
    (deb,) = folder.glob("*.deb")
    return deb


def build(root: Path, out: Path) -> None:
    """As ``make deb`` does, but hardly compressed."""
    for old in cache_dir().glob("deb-*"):
        if old.is_dir() and old.stat().st_mtime < time.time() - OLD_S:
            shutil.rmtree(old, ignore_errors=True)
    out.mkdir(parents=True)
    builder = (sys.executable, str(root / "packaging/deb/build.py"), "--level", "1")
    folders = ("--cache", str(cache_dir()), "--out", str(out))
    subprocess.run([*builder, *folders], env={**os.environ, "SOURCE_DATE_EPOCH": MOMENT_S}, check=True)


def sources(root: Path) -> list[Path]:
    """What a package is made from."""
    tops = (root / name for name in SOURCES)
    found = (path for top in tops for path in (top.rglob("*") if top.is_dir() else [top]))
    return sorted(path for path in found if path.is_file() and "__pycache__" not in path.parts)


def product_venv(folder: Path) -> Path:
    """The package's /opt/lodestard, unpacked with everything else of it below ``folder``."""
    run("dpkg-deb", "--extract", str(package()), str(folder / "product"))
    return folder / "product" / OPT


def layout(venv: Path) -> dict[Path, str]:
    """Where everything stands inside, as the package lays it out."""
    tree = venv.parents[1]
    units = (f"{UNITS}/{path.name}" for path in (tree / UNITS).iterdir())
    return {tree / name: f"/{name}" for name in (OPT, *units, *CONFIGS)}
