"""Alerts, the second log and bills, from the command line to the wire and back."""

import http.server
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from tests.fakes.process import Daemon, MakeDaemon, World, environ, wait_for

pytestmark = pytest.mark.daemon
HOOK_SECRET = "hook-canary-9c"


class _Hook(http.server.BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["content-length"]))
        self.server.posts.append((self.path, json.loads(body)))  # type: ignore[attr-defined]
        self.send_response(204)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@contextmanager
def hook() -> Iterator[tuple[int, list[tuple[str, Any]]]]:
    """A webhook on a free port, and what it was sent."""
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), _Hook) as server:
        posts: list[tuple[str, Any]] = []
        server.posts = posts  # type: ignore[attr-defined]
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        try:
            yield server.server_address[1], posts
        finally:
            server.shutdown()
            thread.join()


def today() -> str:
    return datetime.now(UTC).date().isoformat()


def start(daemon: Daemon, folder: Path) -> Daemon:
    return daemon.start(env=environ(folder, {"HOOK": HOOK_SECRET, "ADMIN": "sk-admin-canary"}))


def test_alerts_bills_and_the_second_log(make_daemon: MakeDaemon, world: World, tmp_path: Path) -> None:
    with hook() as (port, posts):
        webhook = {"url": f"http://127.0.0.1:{port}/hooks/{{key}}", "key": {"env": "HOOK"}}
        openai = {"upstream": "paid", "url": f"http://127.0.0.1:{world.openai_port}", "key": {"env": "ADMIN"}}
        modules = {
            "alerts": {"webhook": webhook},
            "ledger_log": {"enabled": True},
            "reconcile": {"enabled": True, "openai": openai},
        }
        daemon = start(make_daemon({"modules": modules}), tmp_path)
        tested = daemon.ctl("alerts", "test")
        assert (tested.returncode, tested.stdout.splitlines()[0]) == (0, "log: ok")
        assert "webhook: ok" in tested.stdout
        assert [(path, body["source"]) for path, body in posts] == [(f"/hooks/{HOOK_SECRET}", "test")]

        daemon.ask("paid", "once")
        daemon.wait_idle()
        looked = daemon.ctl_json("reconcile", "--day", today())
        (look,) = looked["looks"]
        assert look["theirs_nano_usd"] >= look["ours_nano_usd"] > 0
        assert looked["unreconciled_nano_usd"] == look["theirs_nano_usd"] - look["ours_nano_usd"]
        assert daemon.ctl_json("reconcile", "show", "-n", "1")["looks"] == [{**look, "change_nano_usd": 0}]

        (line,) = wait_for(lambda: lines_of(daemon, "attempt"), "a line of the second log")
        assert line["cost_nano_usd"] == look["ours_nano_usd"]
        assert daemon.ctl("alerts").returncode == 0
        assert daemon.ctl("status").returncode == 0
        assert daemon.stop() == 0
        daemon.verify()
        written = daemon.log + "".join(file.read_text() for file in daemon.state_dir.glob("**/*.json*"))
        assert HOOK_SECRET not in written
        assert "sk-admin-canary" not in written


def lines_of(daemon: Daemon, event: str) -> list[Any]:
    files = (daemon.state_dir / "ledger-log").glob("*.jsonl")
    lines = [json.loads(line) for file in files for line in file.read_text().splitlines()]
    return [line for line in lines if line["event"] == event]


def test_a_budget_s_alert_goes_out_once_and_survives_a_restart(make_daemon: MakeDaemon, tmp_path: Path) -> None:
    with hook() as (port, posts):
        webhook = {"url": f"http://127.0.0.1:{port}/hooks/{{key}}", "key": {"env": "HOOK"}}
        budgets = {"few": {"requests": 4, "alert_at": [50], "forecast": False}}
        daemon = start(make_daemon({"modules": {"alerts": {"webhook": webhook}}, "budgets": budgets}), tmp_path)
        for number in range(3):
            assert daemon.ask("auto", f"number {number}").status == 200
        wait_for(lambda: posts, "the webhook hears of the budget")
        assert posts[0][1]["figures"]["budget"] == "few"
        assert "few" in daemon.ctl("status").stdout
        daemon.kill()
        start(daemon, tmp_path)
        daemon.ask("auto", "another")
        (row,) = wait_for(lambda: daemon.ctl_json("alerts")["alerts"], "the list is there again")
        assert (row["current"], row["pending"]) == (True, [])
        assert len(posts) == 1
