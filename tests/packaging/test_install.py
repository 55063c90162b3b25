"""install.sh, update.sh and rollback.sh in a booted Debian 12 without a network, in the order of a machine's life.

The tests run in order, over one boot: install, again, update, an update that fails, back, remove.
"""

import json
import re
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.systemd.debian import Debian, boot, debian_tree, missing_tools
from tests.systemd.product import ROOT

pytestmark = pytest.mark.systemd

SOURCES = ("pyproject.toml", "README.md", "LICENSE", "config", "lodestard", "lodestarctl", "packaging")
BROKEN = 'raise SystemExit("this version is broken")\n'
SPOILING = """\
import os, sqlite3
if "NOTIFY_SOCKET" in os.environ:
    with sqlite3.connect("/var/lib/lodestard/ledger.db") as ledger:
        ledger.execute("UPDATE schema_version SET version = 9999")
    raise SystemExit("this version has spoilt the ledger")
"""
NEWER_SCHEMA = """\
import sqlite3
with sqlite3.connect("/var/lib/lodestard/ledger.db") as ledger:
    ledger.execute("UPDATE schema_version SET version = 9999")
"""


def copy_sources(folder: Path, version: str, *, broken: str = "") -> Path:
    """The checkout of another version; ``broken``: what it does at its start, in one that passes its check."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    for name in SOURCES:
        source = ROOT / name
        ignore = shutil.ignore_patterns("__pycache__")
        shutil.copytree(source, folder / name, ignore=ignore) if source.is_dir() else shutil.copy(source, folder)
    for name, form in (("pyproject.toml", 'version = "{}"'), ("lodestard/__init__.py", '__version__ = "{}"')):
        file = folder / name
        file.write_text(file.read_text().replace(form.format("0.1.0"), form.format(version)))
    if broken:
        start = folder / "lodestard/daemon.py"
        start.write_text(broken + start.read_text())
    return folder


@pytest.fixture(scope="module")
def debian(tmp_path_factory: pytest.TempPathFactory, wheels: Path, debs: Path) -> Iterator[Debian]:
    if why := missing_tools():
        pytest.skip(f"NOT RUN, install.sh in a booted Debian: {why}")
    folder = tmp_path_factory.mktemp("install")
    binds = {
        copy_sources(folder / "old", "0.1.0"): "/src/old",
        copy_sources(folder / "new", "0.2.0"): "/src/new",
        copy_sources(folder / "broken", "0.3.0", broken=BROKEN): "/src/broken",
        copy_sources(folder / "spoiling", "0.4.0", broken=SPOILING): "/src/spoiling",
        wheels: "/wheels",
        debs: "/debs",
        ROOT / "config/lodestard.demo.toml": "/src/lodestard.toml",
    }
    with boot(debian_tree(), binds, folder / "console.txt") as booted:
        booted.run("install", "-D", "-m", "644", "/src/lodestard.toml", "/etc/lodestard/lodestard.toml")
        yield booted


def version_of(debian: Debian) -> str:
    status = json.loads(debian.run("lodestarctl", "status", "--json"))["data"]
    assert status["state"] in ("ready", "degraded")
    return str(status["version"])


def script(debian: Debian, source: str, name: str, *words: str) -> tuple[int, str]:
    done = debian.ask(f"/src/{source}/packaging/{name}.sh", *words, timeout_s=300)
    return done.returncode, done.stdout + done.stderr


def test_without_venv_it_says_what_to_install(debian: Debian) -> None:
    status, said = script(debian, "old", "install", "--wheels", "/wheels")
    assert status == 1
    assert "apt-get install python3-venv" in said
    assert debian.ask("test", "-e", "/opt/lodestard").returncode


def test_a_dry_run_changes_nothing(debian: Debian) -> None:
    debian.run("sh", "-c", "dpkg --force-depends --install /debs/*.deb 2>&1")
    status, said = script(debian, "old", "install", "--wheels", "/wheels", "--dry-run")
    assert status == 0, said
    assert "+ systemctl start" in said
    assert debian.ask("test", "-e", "/opt/lodestard").returncode
    assert debian.ask("getent", "passwd", "lodestar").returncode


def test_it_installs_and_runs(debian: Debian) -> None:
    status, said = script(debian, "old", "install", "--wheels", "/wheels")
    assert status == 0, said
    assert version_of(debian) == "0.1.0"
    assert debian.run("systemctl", "is-enabled", "lodestard.socket").strip() == "enabled"


def test_again_it_changes_nothing(debian: Debian) -> None:
    pid = debian.run("systemctl", "show", "-P", "MainPID", "lodestard")
    status, said = script(debian, "old", "install", "--wheels", "/wheels")
    assert (status, "runs already" in said) == (0, True), said
    assert debian.run("systemctl", "show", "-P", "MainPID", "lodestard") == pid


def test_an_update_keeps_the_configuration_and_copies_the_ledger(debian: Debian) -> None:
    debian.run("sh", "-c", "echo '# mine' >>/etc/lodestard/lodestard.toml")
    status, said = script(debian, "new", "update", "--wheels", "/wheels")
    assert status == 0, said
    assert version_of(debian) == "0.2.0"
    assert "# mine" in debian.run("cat", "/etc/lodestard/lodestard.toml")
    (backup,) = json.loads(debian.run("lodestarctl", "backup", "list", "--json"))["data"]["backups"]
    assert debian.run("stat", "-c", "%a %U", backup["file"]).split() == ["600", "lodestar"]
    assert debian.run("sh", "-c", "cat /opt/lodestard/releases/0.1.0-*/backup").strip() == backup["id"]


def test_one_that_does_not_start_is_taken_back(debian: Debian) -> None:
    status, said = script(debian, "broken", "update", "--wheels", "/wheels")
    assert status == 1
    assert "this version is broken" in said
    assert re.search(r"0\.3\.0-\w+ did not get ready; 0\.2\.0-\w+ runs as before", said), said
    assert version_of(debian) == "0.2.0"


def test_one_that_spoils_the_ledger_is_taken_back_with_the_ledger(debian: Debian) -> None:
    status, said = script(debian, "spoiling", "update", "--wheels", "/wheels")
    assert status == 1
    for words in ("has spoilt the ledger", "with the ledger as the new version left it", "is in place"):
        assert words in said, said
    assert re.search(r"0\.4\.0-\w+ did not get ready; 0\.2\.0-\w+ runs as before", said), said
    assert version_of(debian) == "0.2.0"
    assert debian.run("systemctl", "is-active", "lodestard.socket").strip() == "active"


def test_the_package_does_not_go_over_it(debian: Debian) -> None:
    done = debian.ask("sh", "/src/new/packaging/deb/scripts/preinst", "install")
    assert (done.returncode, "by install.sh" in done.stderr) == (1, True)


def test_one_that_refuses_the_configuration_never_takes_over(debian: Debian) -> None:
    pid = debian.run("systemctl", "show", "-P", "MainPID", "lodestard")
    debian.run("sh", "-c", "mkdir -p /etc/lodestard/conf.d; echo 'nonsense = 1' >/etc/lodestard/conf.d/99-bad.toml")
    status, said = script(debian, "old", "update", "--wheels", "/wheels")
    debian.run("rm", "/etc/lodestard/conf.d/99-bad.toml")
    assert (status, "nothing has changed" in said) == (1, True), said
    assert debian.run("systemctl", "show", "-P", "MainPID", "lodestard") == pid


def test_it_goes_back_and_forward_again(debian: Debian) -> None:
    for version in ("0.1.0", "0.2.0"):
        status, said = script(debian, "new", "rollback")
        assert status == 0, said
        assert version_of(debian) == version


def test_a_way_back_that_fails_is_taken_back(debian: Debian) -> None:
    """What was there runs again, and is called by its name."""
    broken = "/opt/lodestard/releases/0.1.0-*/lib/python3.11/site-packages/lodestard/daemon.py"
    debian.run("sh", "-c", f"cp {broken} /root/daemon.py; echo '{BROKEN.strip()}' >$(echo {broken})")
    status, said = script(debian, "new", "rollback")
    debian.run("sh", "-c", f"cp /root/daemon.py $(echo {broken})")
    assert (status, "this version is broken" in said) == (1, True), said
    assert re.search(r"0\.2\.0-\w+ runs as before.*rollback\.sh --with-ledger", said), said
    assert version_of(debian) == "0.2.0"


def test_a_ledger_of_a_newer_version_comes_back_only_when_asked(debian: Debian) -> None:
    debian.run("systemctl", "stop", "lodestard.socket", "lodestard-control.socket", "lodestard")
    debian.run("python3", "-c", NEWER_SCHEMA)
    debian.run("systemctl", "start", "--no-block", "lodestard.socket", "lodestard-control.socket")
    status, said = script(debian, "new", "rollback", "--with-ledger")
    assert status == 0, said
    debian.run("systemctl", "start", "lodestard")
    assert version_of(debian) == "0.1.0"
    assert debian.run("sh", "-c", "ls /var/lib/lodestard/set-aside-*/ledger.db")


def test_it_goes_and_leaves_what_is_yours(debian: Debian) -> None:
    status, said = script(debian, "new", "install", "--uninstall")
    assert status == 0, said
    assert debian.ask("test", "-e", "/opt/lodestard").returncode
    assert debian.ask("systemctl", "cat", "lodestard.service").returncode
    debian.run("test", "-e", "/etc/lodestard/lodestard.toml", "-a", "-e", "/var/lib/lodestard/ledger.db")
    status, said = script(debian, "new", "install", "--uninstall", "--purge")
    assert status == 0, said
    assert debian.ask("test", "-e", "/var/lib/lodestard").returncode
    assert debian.ask("getent", "passwd", "lodestar").returncode
