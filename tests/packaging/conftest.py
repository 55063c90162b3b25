"""What the tests of artefacts share: one build of the one-file programs."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.systemd.debian import cache_dir, digest, kept, run
from tests.systemd.product import ROOT, missing_python

VENV_DEBS = (
    "python3-venv",
    "python3.11-venv",
    "python3-pip-whl",
    "python3-setuptools-whl",
    "python3-distutils",
    "python3-lib2to3",
)
BUILD = ROOT / "packaging/onefile/build.py"


def build_onefile(out: Path, *words: str, cached: bool = True) -> Path:
    """The folder with the programs. What comes of the locks alone is kept between runs."""
    cache = ("--cache", str(cache_dir() / "onefile")) if cached else ()
    done = subprocess.run(
        [sys.executable, str(BUILD), "--out", str(out), *cache, *words],
        capture_output=True, text=True, timeout=300, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    return out


@pytest.fixture(scope="session")
def wheels() -> Path:
    """What ``install.sh --wheels`` takes."""
    if why := missing_python():
        pytest.skip(f"NOT RUN, installation without an index: {why}")
    locks = [(ROOT / "packaging/locks" / name).read_bytes() for name in ("run.txt", "build.txt", "systemd.txt")]
    return kept(f"wheels-{digest(sys.version, *locks)}", _fill_wheels)


def _fill_wheels(folder: Path) -> None:
    run("bash", "packaging/setup/wheels.sh", sys.executable, str(folder))


@pytest.fixture(scope="session")
def debs() -> Path:
    """Debian's packages for Python's venv, which a bare Debian lacks."""
    return kept(f"debs-{digest(*VENV_DEBS)}", _fetch_debs)


def _fetch_debs(folder: Path) -> None:
    folder.mkdir()
    done = subprocess.run(
        ["apt-get", "download", "-q", *VENV_DEBS], cwd=folder, capture_output=True, text=True, check=False
    )
    if done.returncode:
        folder.rmdir()
        pytest.skip(f"NOT RUN, for Debian's python3-venv can't be fetched here: {done.stderr}")


@pytest.fixture(scope="session")
def programs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """``lodestard`` and ``lodestarctl``, each one file."""
    if why := missing_python():
        pytest.skip(f"NOT RUN, the one-file programs: {why}")
    return build_onefile(tmp_path_factory.mktemp("onefile"))
