"""How a one-file program unpacks and starts, with a small program of its own in the place of ours."""

import importlib.util
import os
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest

from tests.packaging.conftest import BUILD

PROGRAM = """\
import os, sys
def main():
    if sys.argv[1:] == ["again"]:  # as the daemon begins anew
        os.rename(sys.argv[0] + ".new", sys.argv[0])
        words = [sys.executable, *sys.orig_argv[1:-1], "second"]
        os.execve(words[0], words, os.environ)
    print(TEXT, sys.argv[1:], sys.prefix)
    return 7
"""


@pytest.fixture(scope="module")
def build() -> ModuleType:
    spec = importlib.util.spec_from_file_location("onefile_build", BUILD)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["onefile_build"] = module
    spec.loader.exec_module(module)
    return module


def make(build: ModuleType, file: Path, text: str) -> Path:
    """A one-file program ``lodestard`` that says ``text``."""
    source = PROGRAM.replace("TEXT", repr(text)).encode()
    members = [(f"{build.SITE}/lodestard/__init__.py", b""), (f"{build.SITE}/lodestard/__main__.py", source)]
    build.write_onefile(file, "lodestard", [build.pack(members)])
    return file


def start(file: Path, home: Path, *words: str, **environ: str) -> subprocess.CompletedProcess[str]:
    path = f"{Path(sys.executable).resolve().parent}:/usr/bin:/bin"
    environ = {"PATH": path, "HOME": str(home), **environ}
    return subprocess.run([str(file), *words], env=environ, capture_output=True, text=True, check=False)


def states(home: Path) -> list[str]:
    return sorted(os.listdir(home / ".cache/lodestard-onefile"))


def test_it_unpacks_once_and_hands_on_words_and_status(build: ModuleType, tmp_path: Path) -> None:
    file = make(build, tmp_path / "lodestard", "one")
    for _ in range(2):
        done = start(file, tmp_path, "a b", "--c")
        assert (done.returncode, done.stdout.split(" /")[0]) == (7, "one ['a b', '--c']"), done.stderr
    assert len(states(tmp_path)) == 1
    assert (tmp_path / ".cache/lodestard-onefile").stat().st_mode & 0o777 == 0o700


def test_many_first_starts_at_once_do_not_meet(build: ModuleType, tmp_path: Path) -> None:
    file = make(build, tmp_path / "lodestard", "one")
    path = f"{Path(sys.executable).resolve().parent}:/usr/bin:/bin"
    environ = {"PATH": path, "HOME": str(tmp_path)}
    children = [subprocess.Popen([str(file)], env=environ, stdout=subprocess.DEVNULL) for _ in range(6)]
    assert [child.wait(60) for child in children] == [7] * 6
    assert len(states(tmp_path)) == 1


def test_one_that_begins_anew_runs_the_file_that_is_there_by_now(build: ModuleType, tmp_path: Path) -> None:
    file = make(build, tmp_path / "lodestard", "one")
    make(build, tmp_path / "lodestard.new", "two")
    done = start(file, tmp_path, "again")
    assert done.stdout.startswith("two ['second']"), done.stderr
    assert len(states(tmp_path)) == 2


def test_where_the_home_can_not_be_written_it_goes_elsewhere(build: ModuleType, tmp_path: Path) -> None:
    (tmp_path / ".cache").write_text("no folder")
    file = make(build, tmp_path / "lodestard", "one")
    done = start(file, tmp_path, XDG_RUNTIME_DIR=str(tmp_path / "run"))
    assert (done.returncode, str(tmp_path / "run") in done.stdout) == (7, True), done.stderr


def test_a_folder_that_others_may_write_to_is_not_started_from(build: ModuleType, tmp_path: Path) -> None:
    place = tmp_path / "shared"
    place.mkdir()
    place.chmod(0o777)
    done = start(make(build, tmp_path / "lodestard", "one"), tmp_path, LODESTAR_ONEFILE_DIR=str(place))
    assert done.returncode == 78
    assert "a folder that you alone may write to" in done.stderr
    assert "Traceback" not in done.stderr


def test_another_python_is_refused_with_a_sentence(build: ModuleType, tmp_path: Path) -> None:
    tools = tmp_path / "bin"
    tools.mkdir()
    for name in ("python3", f"python{build.PYTHON}"):
        (tools / name).write_text("#!/bin/sh\necho 3.13\n")
        (tools / name).chmod(0o755)
    (tools / "id").symlink_to("/usr/bin/id")
    file = make(build, tmp_path / "lodestard", "one")
    text = file.read_bytes().replace(b"/usr/bin/python", b"/nowhere/python")  # of the same length
    file.write_bytes(text)
    done = start(file, tmp_path, PATH=str(tools))
    assert done.returncode == 78
    assert f"made for Python {build.PYTHON}; this machine has 3.13" in done.stderr


def test_a_damaged_file_is_refused_with_a_sentence(build: ModuleType, tmp_path: Path) -> None:
    file = make(build, tmp_path / "lodestard", "one")
    state = file.read_bytes().partition(b"State: ")[2][:16]
    file.write_bytes(file.read_bytes().replace(state, b"0" * 16, 1))
    done = start(file, tmp_path)
    assert (done.returncode, "damaged" in done.stderr) == (78, True), done.stderr


def test_what_older_files_unpacked_goes_unless_it_is_in_use(build: ModuleType, tmp_path: Path) -> None:
    first = make(build, tmp_path / "lodestard", "one")
    start(first, tmp_path)
    (old,) = states(tmp_path)
    mark = tmp_path / ".cache/lodestard-onefile" / old / ".in-use"
    second = make(build, tmp_path / "lodestard", "two")
    start(second, tmp_path)
    assert old in states(tmp_path)  # it was used a moment ago
    os.utime(mark, (0, 0))
    start(make(build, tmp_path / "lodestard", "three"), tmp_path)
    assert old not in states(tmp_path)
    assert len(states(tmp_path)) == 2
