"""The package as a file: the same from everywhere, what is in it, and what Debian's own critic says."""

import shutil
import subprocess
from pathlib import Path

import pytest

from tests.systemd.debian import cache_dir, missing_tools
from tests.systemd.installed import copied
from tests.systemd.product import ROOT, build, missing_python, package

pytestmark = pytest.mark.systemd

MOST_BYTES = 25_000_000
MODULES = "opt/lodestard/lib/python3.11/site-packages"


@pytest.fixture(scope="module")
def deb() -> Path:
    if why := missing_tools() or missing_python():
        pytest.skip(f"NOT RUN, the package's tests: {why}")
    return package()


@pytest.fixture(scope="module")
def tree(deb: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("deb")
    subprocess.run(["dpkg-deb", "--extract", deb, folder], check=True)
    return folder


def test_it_is_the_same_wherever_it_is_built(deb: Path, tmp_path: Path) -> None:
    build(copied(tmp_path / "elsewhere"), tmp_path / "out")
    assert (tmp_path / "out" / deb.name).read_bytes() == deb.read_bytes()


def test_it_is_small_and_names_no_folder_that_it_was_made_in(deb: Path, tree: Path) -> None:
    assert deb.stat().st_size <= MOST_BYTES
    made_in = [str(folder).encode() for folder in (ROOT, cache_dir())] + [b"lodestard-deb-"]
    for path in tree.rglob("*"):
        if path.is_file() and not path.is_symlink():
            assert not any(name in path.read_bytes() for name in made_in), path
    assert not list(tree.rglob("direct_url.json"))
    assert not list(tree.rglob("RECORD"))


def test_every_module_has_its_bytecode(tree: Path) -> None:
    modules = [path for path in (tree / MODULES).rglob("*.py") if path.name != "__pycache__"]
    assert len(modules) > 500
    without = [
        path for path in modules if not (path.parent / "__pycache__" / f"{path.stem}.cpython-311.pyc").exists()
    ]
    assert not without


def test_the_copyright_file_names_every_library_and_its_files(tree: Path) -> None:
    text = (tree / "usr/share/doc/lodestard/copyright").read_text()
    libraries = list((tree / MODULES).glob("*.dist-info"))
    assert len(libraries) > 20
    for library in libraries:
        assert library.name.startswith("lodestard-") or f"{library.name}/*" in text
    tops = {path.name for path in (tree / MODULES).iterdir()} - {"lodestard", "lodestarctl", "__pycache__"}
    for top in tops:
        assert f"{MODULES}/{top}" in text or top.startswith("lodestard-"), top


def test_lintian_finds_no_error(deb: Path) -> None:
    if shutil.which("lintian") is None:
        pytest.skip("NOT RUN, lintian: it is not installed (make deb-tools)")
    leave_out = () if (ROOT / "packaging/manuals").is_dir() else ("--suppress-tags=no-manual-page",)
    command = ["lintian", "--fail-on=error,warning", "--allow-root", *leave_out, deb]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
