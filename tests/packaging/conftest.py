"""What the tests of artefacts share: one build of the one-file programs."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.systemd.debian import cache_dir
from tests.systemd.product import ROOT, missing_python

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
def programs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """``lodestard`` and ``lodestarctl``, each one file."""
    if why := missing_python():
        pytest.skip(f"NOT RUN, the one-file programs: {why}")
    return build_onefile(tmp_path_factory.mktemp("onefile"))
