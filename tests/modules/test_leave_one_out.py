"""The house without each of its modules: switched off, and deleted."""

import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

import lodestarctl
import lodestard
from lodestard.__main__ import MODULES
from tests.fakes.process import Daemon, World, overlay, wait_for

pytestmark = pytest.mark.daemon

NAMES = tuple(module.name for module in MODULES)


@contextmanager
def running(daemon: Daemon) -> Iterator[Daemon]:
    try:
        yield daemon.start()
    finally:
        daemon.end()


def check_that_it_works(daemon: Daemon, others: set[str]) -> None:
    """Answers, counts, tells and stops; the modules that are left do their work."""
    assert daemon.ask("auto").status == 200
    streamed = daemon.stream("paid").rest()
    assert streamed.done
    assert daemon.get("/health/ready").status == 200
    assert daemon.ctl_json("status")["state"] == "ready"
    assert daemon.ctl_json("costs")["total"]["requests"] == 2
    assert daemon.ctl("models").returncode == 0
    assert ("gpu" in daemon.ctl_json("status")["parts"]) == ("gpu" in others)
    assert daemon.get("/metrics").status == (200 if "metrics" in others else 404)
    file = daemon.socket.with_suffix("") / "statusline.json"
    if "statusline" in others:
        wait_for(file.exists, "the figures for prompts are written")
        assert daemon.ctl("statusline").stdout.startswith("$0.")
    else:
        assert daemon.ctl("statusline").stdout == "lodestard down\n"
    if "health" in others:
        wait_for(lambda: "up" in str(daemon.ctl_json("status")["upstreams"]), "health has looked")
    assert daemon.stop() == 0
    assert not file.exists()
    assert "Traceback" not in daemon.log
    daemon.verify()


def delete_module(name: str, folder: Path) -> None:
    """Copy both packages to ``folder``, without this module and without the mention of it. What is compiled goes with
    its sources: it is as old as they are, and to compile them anew takes more than all the rest.
    """
    for package in (lodestard, lodestarctl):
        source = Path(package.__path__[0])
        shutil.copytree(source, folder / source.name)
    shutil.rmtree(folder / "lodestard" / "modules" / name)
    entry = folder / "lodestard" / "__main__.py"
    text = entry.read_text()
    text = text.replace(f"    {name}.MODULE,\n", "")
    text = re.sub(rf"(?m)^(from lodestard\.modules import .*?)(?:\b{name}, |, {name}\b)", r"\1", text)
    assert f"{name}.MODULE" not in text
    entry.write_text(text)


@pytest.mark.parametrize("name", NAMES)
def test_switched_off(name: str, world: World, tmp_path: Path) -> None:
    settings = overlay(world.settings(), {"modules": {name: {"enabled": False}}})
    with running(Daemon(tmp_path, settings)) as daemon:
        check_that_it_works(daemon, set(NAMES) - {name})


@pytest.mark.parametrize("name", NAMES)
def test_deleted(name: str, world: World, tmp_path: Path) -> None:
    sources = tmp_path / "python"
    delete_module(name, sources)
    settings = overlay(world.settings(), {"modules": {name: {"enabled": True}}})
    daemon = Daemon(tmp_path, settings, package_folder=sources)
    checked = daemon.run("--check")
    assert checked.returncode == 0, checked.stdout + checked.stderr
    (warning,) = [line for line in checked.stdout.splitlines() if f"modules.{name}" in line]
    assert warning.startswith("warning: ")
    assert "no module of this name is installed" in warning
    with running(daemon):
        assert f"modules.{name}" in daemon.log
        check_that_it_works(daemon, set(NAMES) - {name})


def test_all_switched_off(world: World, tmp_path: Path) -> None:
    off = {"modules": {name: {"enabled": False} for name in NAMES}}
    with running(Daemon(tmp_path, overlay(world.settings(), off))) as daemon:
        check_that_it_works(daemon, set())
