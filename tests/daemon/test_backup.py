"""The drill: a backup under load, a crash, and a restore elsewhere, with real processes."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest

from tests.fakes.process import Daemon, MakeDaemon, World, wait_for

pytestmark = pytest.mark.daemon

PAYING = 3


@contextmanager
def under_load(daemon: Daemon, acknowledged: dict[str, str]) -> Iterator[None]:
    """Paid and free requests until the end; the ids of those that were answered, and which model was asked."""
    stop = threading.Event()

    def ask(number: int) -> None:
        for each in range(10_000):
            if stop.is_set():
                return
            with suppress(Exception):
                model = "auto" if each % 4 == 3 else "paid"
                answer = daemon.ask(model, f"question {number} {each}", max_tokens=20)
                if answer.status == 200:
                    acknowledged[answer.request_id] = model

    clients = [threading.Thread(target=ask, args=(number,)) for number in range(PAYING)]
    for client in clients:
        client.start()
    try:
        yield
    finally:
        stop.set()
        for client in clients:
            client.join()


def backup(daemon: Daemon) -> dict[str, Any]:
    """``backup now``; what was made."""
    done = daemon.ctl("--json", "backup", "now")
    assert done.returncode == 0, done.stderr
    made: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])["data"]["made"]
    return made


def restore(daemon: Daemon, file: str, *words: str) -> dict[str, Any]:
    """``backup restore``; its plan and what was done."""
    done = daemon.ctl("--json", "--config", str(daemon.config), "backup", "restore", file, "--yes", *words)
    assert done.returncode == 0, done.stderr + done.stdout
    plan, restored = (json.loads(line)["data"] for line in done.stdout.splitlines())
    return {"plan": plan["plan"], "restored": restored["restored"]}


def test_drill(world: World, make_daemon: MakeDaemon, tmp_path: Path) -> None:
    daemon = make_daemon({"modules": {"backup": {"dir": str(tmp_path / "backups")}}}).start()
    billed_before = world.billed_nano_usd()
    acknowledged: dict[str, str] = {}
    with under_load(daemon, acknowledged):
        wait_for(lambda: len(acknowledged) > 15, "some requests are through")
        before = list(acknowledged)
        made = backup(daemon)
        (listed,) = daemon.ctl_json("backup", "list")["backups"]
        assert listed["verified_ms"] and "latest" in listed["kept"]
        assert daemon.ctl_json("status")["parts"]["backup"]["last"].endswith("ago, verified")
        went_on = len(acknowledged)
        wait_for(lambda: len(acknowledged) > went_on + 15, "it went on")
        daemon.kill()
    check_elsewhere(make_daemon(), made, before, tmp_path)
    check_in_place(daemon, made, acknowledged)
    assert daemon.verify()["cost_nano_usd"] >= world.billed_nano_usd() - billed_before > 0


def check_elsewhere(fresh: Daemon, made: dict[str, Any], before: list[str], tmp_path: Path) -> None:
    """On a new machine: all that was acknowledged before the backup is there, and twice the same bytes."""
    done = restore(fresh, made["backup"]["file"])
    marked = made["manifest"]["ledger"]
    assert done["restored"]["requests"] == marked["requests"]
    restored = (fresh.state_dir / "ledger.db").read_bytes()
    restore(fresh, made["backup"]["file"], "--to", str(tmp_path / "again"))
    assert (tmp_path / "again/ledger.db").read_bytes() == restored
    fresh.start()
    assert fresh.verify()["requests"] == marked["requests"]
    assert set(before) <= {row["request_id"] for row in fresh.rows(1000)}
    assert fresh.ask("paid").status == 200
    assert fresh.stop() == 0


def check_in_place(daemon: Daemon, made: dict[str, Any], acknowledged: dict[str, str]) -> None:
    """Over the crashed ledger, which knows what came after: carried over, so that budgets do not forget it."""
    killed = daemon.verify()
    offline = json.loads(daemon.ctl("--json", "--config", str(daemon.config), "backup", "verify").stdout)
    assert not offline["data"]["faults"]
    done = restore(daemon, made["backup"]["id"], "--keep-spent")
    assert done["plan"]["forgotten"] == killed["requests"] - made["manifest"]["ledger"]["requests"] > 0
    assert done["restored"]["requests"] == killed["requests"]
    assert done["restored"]["cost_nano_usd"] == killed["cost_nano_usd"]
    daemon.start()
    daemon.wait_idle()
    paid = {name for name, model in acknowledged.items() if model == "paid"}  # a kill may take free rows of a second
    assert paid <= {row["request_id"] for row in daemon.rows(1000)}
    refused = daemon.ctl("--config", str(daemon.config), "backup", "restore", made["backup"]["id"], "--yes")
    assert refused.returncode == 1
    assert "in use by another process" in refused.stderr
    assert daemon.stop() == 0
