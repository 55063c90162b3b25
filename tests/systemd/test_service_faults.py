"""What systemd does when the daemon fails: it freezes, it is killed, it can't start, its disk is full, a reboot.

The ledger is whole after each, and knows as much as the provider's own meter.
"""

from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from tests.systemd.debian import Debian, boot, debian_tree
from tests.systemd.load import Crowd, load
from tests.systemd.service import (
    CONFIG,
    CTL,
    KEY,
    KEY_FILE,
    PACED,
    SIMULATOR,
    SIMULATOR_UNIT,
    SOCKETS,
    UNIT,
    answered,
    ask,
    billed_nano_usd,
    ctl,
    messages,
    shown,
    start,
)

pytestmark = pytest.mark.systemd

STATE = "/var/lib/lodestard"
STREAM = Crowd(until="/run/enough", short=0, kept=0, streams=1, streamed="paced", stream_tokens=2)
LOOK = "import urllib.request as r; r.urlopen('http://127.0.0.1:4000/health/live')"
DROP_IN = f"/run/systemd/system/{UNIT}.d/test.conf"


@pytest.fixture(scope="module", autouse=True)
def served(debian: Debian) -> None:
    debian.write(CONFIG, PACED)
    start(debian)
    assert answered(debian, "hello", "paid")


@pytest.fixture
def dropped_in(debian: Debian) -> Iterator[None]:
    """Room for a test's own settings of the unit."""
    yield
    debian.run("rm", "-f", DROP_IN)
    debian.run("systemctl", "daemon-reload")
    debian.run("systemctl", "restart", UNIT)


def drop_in(debian: Debian, *lines: str) -> None:
    debian.write(DROP_IN, "\n".join(["[Service]", *lines, ""]))
    debian.run("systemctl", "daemon-reload")
    debian.run("systemctl", "restart", UNIT)


def wait_for_another(debian: Debian, pid: str) -> None:
    debian.wait_until(
        lambda: shown(debian, "ActiveState") == "active" and shown(debian, "MainPID") != pid, "another process"
    )


def require_whole_ledger(debian: Debian) -> None:
    """What the ledger says, and what the provider's meter says of it: at least as much, for holds may be charged."""
    verified = ctl(debian, "ledger", "verify")
    assert (verified["ok"], verified["faults"]) == (True, [])
    assert int(verified["cost_nano_usd"]) >= billed_nano_usd(debian) > 0


def starts(debian: Debian) -> int:
    return sum(text.startswith("Starting lodestard.service") for text in messages(debian))


@pytest.mark.usefixtures("dropped_in")
def test_one_that_is_frozen_is_killed_and_comes_back(debian: Debian) -> None:
    drop_in(debian, "WatchdogSec=2")
    pid = shown(debian, "MainPID")
    debian.run("kill", "-STOP", pid)
    assert answered(debian, "is anybody awake?", "paid")
    wait_for_another(debian, pid)
    assert any("watchdog" in text.lower() for text in messages(debian))
    require_whole_ledger(debian)


def test_one_that_is_killed_comes_back_with_its_ledger(debian: Debian) -> None:
    pid, before = shown(debian, "MainPID"), int(shown(debian, "NRestarts"))
    debian.run("systemctl", "kill", "--kill-who=main", "--signal=KILL", UNIT)
    assert answered(debian, "still there?", "paid")
    wait_for_another(debian, pid)
    assert int(shown(debian, "NRestarts")) == before + 1
    require_whole_ledger(debian)


def test_a_wrong_configuration_is_not_started_again_and_again(debian: Debian, request: pytest.FixtureRequest) -> None:
    """A client that tries and tries would do so by the sockets. Once it is mended, one command starts it."""
    before = starts(debian)
    request.addfinalizer(lambda: debian.write(CONFIG, PACED))
    debian.write(CONFIG, f"nonsense = 3\n{PACED}")
    assert debian.ask("systemctl", "restart", UNIT).returncode == 1
    for _ in range(3):
        assert debian.ask("/usr/bin/python3", "-c", LOOK).returncode
    assert (shown(debian, "ActiveState"), shown(debian, "ExecMainStatus")) == ("failed", "78")
    assert starts(debian) == before + 1
    assert f"lodestard: {CONFIG}:1: nonsense: unknown key" in messages(debian)
    said = debian.ask(CTL, "status")
    assert said.returncode == 3
    assert "the configuration is wrong" in said.stderr
    assert f"{CONFIG}:1: nonsense: unknown key" in said.stderr
    debian.write(CONFIG, PACED)
    start(debian)
    assert answered(debian)


@pytest.mark.usefixtures("dropped_in")
def test_what_may_pass_is_tried_until_it_has(debian: Debian) -> None:
    debian.run("systemctl", "stop", UNIT)
    debian.run("mv", f"{STATE}/ledger.db.lock", "/root")
    debian.run("mkdir", f"{STATE}/ledger.db.lock")
    debian.run("systemctl", "start", "--no-block", UNIT)
    debian.wait_until(lambda: int(shown(debian, "NRestarts")) >= 2, "two more tries")
    debian.run("rmdir", f"{STATE}/ledger.db.lock")
    debian.run("mv", "/root/ledger.db.lock", STATE)
    debian.wait_until(lambda: shown(debian, "ActiveState") == "active", "the next try")
    assert answered(debian, "and now?", "paid")


def test_a_full_disk_stops_paid_answers_alone_and_heals(debian: Debian) -> None:
    debian.run("systemctl", "stop", UNIT)
    debian.run("mount", "-t", "tmpfs", "-o", "size=4M,mode=0700,uid=lodestar,gid=lodestar", "tmpfs", STATE)
    start(debian)
    debian.ask("dd", "if=/dev/zero", f"of={STATE}/full", "bs=4096")
    debian.wait_until(lambda: not answered(debian, "too dear?", "paid"), "the disk to be full")
    assert "ledger_unavailable" in ask(debian, "too dear?", "paid")["text"]
    assert answered(debian, "for free")
    debian.run("rm", f"{STATE}/full")
    debian.wait_until(lambda: answered(debian, "and now?", "paid"), "the ledger to heal")
    assert ctl(debian, "ledger", "verify")["ok"]
    debian.run("systemctl", "stop", UNIT)
    debian.run("umount", STATE)
    start(debian)


@pytest.mark.usefixtures("dropped_in")
def test_a_backup_is_made_in_the_sandbox_and_put_back_by_root(debian: Debian) -> None:
    """On another disk, as docs/backup.md says; what was spent after it is not forgotten."""
    folder = "/srv/backup"
    debian.run("install", "--directory", "--owner=lodestar", "--group=lodestar", "--mode=700", folder)
    drop_in(debian, f"ReadWritePaths={folder}")
    ctl(debian, "config", "set", "modules.backup.dir", folder)
    elsewhere = billed_nano_usd(debian) - int(
        ctl(debian, "ledger", "verify")["cost_nano_usd"]
    )  # on the full disk's ledger
    assert answered(debian, "before", "paid")
    debian.run(CTL, "backup", "now")
    assert answered(debian, "after", "paid")
    (backup,) = ctl(debian, "backup", "list")["backups"]
    assert backup["verified_ms"]
    debian.run("systemctl", "stop", *SOCKETS, UNIT)
    told = debian.run(CTL, "backup", "restore", backup["id"], "--keep-spent", "--yes")
    assert "set-aside" in told
    assert debian.run("stat", "--format=%U %a", f"{STATE}/ledger.db").strip() == "lodestar 600"
    start(debian)
    verified = ctl(debian, "ledger", "verify")
    assert verified["ok"]
    assert int(verified["cost_nano_usd"]) == billed_nano_usd(debian) - elsewhere
    assert answered(debian, "and now", "paid")
    debian.run(CTL, "config", "unset", "modules.backup.dir")


def test_it_is_there_after_a_reboot(installed: Mapping[Path, str], tmp_path: Path) -> None:
    """What is under way ends before the machine goes down; enabled, it starts with it, with the ledger of before."""
    units, state = tmp_path / "units", tmp_path / "state"
    for folder in (units, state):
        folder.mkdir()
    (units / SIMULATOR).write_text(f"[Unit]\nBefore={UNIT}\n{SIMULATOR_UNIT}")  # so it goes down after it
    for name, text in (("config", PACED), ("key", KEY)):
        (tmp_path / name).write_text(text)
    binds = {**installed, tmp_path / "config": CONFIG, tmp_path / "key": KEY_FILE}
    kept = {units: "/etc/systemd/system", state: STATE}
    with boot(debian_tree(), binds, tmp_path / "console.txt", kept) as debian:
        debian.run("systemctl", "enable", "--now", UNIT)
        debian.run("systemctl", "start", SIMULATOR)
        debian.wait_until(lambda: answered(debian, "before", "paid"), "the first answer")
        with load(debian, STREAM) as seen:
            debian.wait_until(lambda: ctl(debian, "status")["exchanges"] > 0, "the stream")
            debian.run("touch", STREAM.until)
            debian.reboot()
        assert (seen.streamed, seen.broken) == (1, [])
        assert [shown(debian, "ActiveState", unit) for unit in (UNIT, *SOCKETS)] == ["active"] * 3
        debian.run("systemctl", "start", SIMULATOR)
        debian.wait_until(lambda: answered(debian, "after", "paid"), "an answer after the reboot")
        before = ctl(debian, "ledger", "verify")
        assert before["ok"]
        assert before["requests"] >= 3
