"""The card from the command line: a real ``lodestard`` before a real simulated Ollama that takes its time.

What was learned, and what a person has told, is saved every 60 s and when the daemon stops: a ``kill -9`` costs at
most the last minute of it, a stop nothing.
"""

import json
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.fakes.process import QUIET, Answer, Daemon, environ, get, overlay, run_simulator, wait_for

pytestmark = pytest.mark.daemon

LLAMA, CODER = "llama3.1:8b", "deepseek-coder:6.7b"
KEEPSAKE = "residency.json"


@dataclass
class Bench:
    """A daemon, and the port of the simulated server behind it."""

    daemon: Daemon
    port: int

    def sim(self, path: str, body: Any = None, method: str = "") -> Answer:
        return get(self.port, path, method or ("GET" if body is None else "POST"), body)

    @property
    def in_memory(self) -> dict[str, int]:
        """What the server has in memory, with its context."""
        return {one["name"]: one["context_length"] for one in self.sim("/api/ps").json["models"]}

    @property
    def meter(self) -> dict[str, Any]:
        meter: dict[str, Any] = self.sim("/__sim/meter").json
        return meter

    @property
    def host(self) -> dict[str, Any]:
        (host,) = self.daemon.ctl_json("gpu")["hosts"]
        return dict(host)

    def model(self, name: str) -> dict[str, Any]:
        return dict(next(model for model in self.host["models"] if model["model"] == name))

    def wait_quiet(self) -> None:
        wait_for(lambda: self.host["step"] in ("idle", "paused"), "the card is at rest")

    def wait_listed(self, models: dict[str, int]) -> None:
        wait_for(lambda: self.in_memory == models, f"{models} in memory, not {self.in_memory}")


def settings(port: int) -> dict[str, Any]:
    upstream = {
        "dialect": "ollama",
        "url": f"http://127.0.0.1:{port}",
        "free": True,
        "keep_alive": "30m",
        "options": {"num_ctx": 4096},
    }
    return overlay(
        {
            "upstreams": {"t600": upstream},
            "models": {
                "local-llama": {"route": [f"t600/{LLAMA}"]},
                "coder": {"route": [f"t600/{CODER}"]},
                "vision": {"route": ["t600/moondream:1.8b"]},
            },
            "residency": {"poll_s": 0.5, "predict": False},
        },
        QUIET,
    )


def open_bench(folder: Path, profile: str) -> Iterator[Bench]:
    with run_simulator("--profile", profile, "--ollama-port", "0") as (port,):
        daemon = Daemon(folder, settings(port))
        try:
            yield Bench(daemon.start(), port)
            assert "Traceback" not in daemon.log
        finally:
            daemon.end()


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bench]:
    """For tests that leave the daemon running and the card idle, with nothing pinned and nothing lent."""
    yield from open_bench(tmp_path_factory.mktemp("d"), "demo")


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    """One of its own, before a server that takes no time."""
    yield from open_bench(tmp_path, "instant")


@pytest.fixture
def slow_bench(tmp_path: Path) -> Iterator[Bench]:
    """One of its own, before a server that takes long enough for something to be learned."""
    yield from open_bench(tmp_path, "demo")


def begin(daemon: Daemon, *words: str) -> subprocess.Popen[str]:
    """``lodestarctl``, under way."""
    command = [sys.executable, "-m", "lodestarctl", "--socket", str(daemon.socket), *words]
    return subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environ(daemon.folder)
    )


def end(process: subprocess.Popen[str]) -> tuple[int, str, str]:
    out, error = process.communicate(timeout=30)
    return process.returncode, out, error


# -- what it says ----------------------------------------------------------------------------------------------------


def test_warm_says_how_far_it_is_and_ends_when_it_is_ready(shared: Bench) -> None:
    shared.daemon.ctl("unload", LLAMA)
    status, out, error = end(begin(shared.daemon, "warm", "local-llama"))
    assert status == 0, error
    assert f"loading {LLAMA}" in error, "how far it is"
    assert re.fullmatch(rf"✓ {re.escape(LLAMA)} is ready \(\d\.\d s\)\.\n", out), out
    assert shared.in_memory == {LLAMA: 4096}
    assert "is loaded already" in shared.daemon.ctl("warm", "local-llama").stdout
    lines = [json.loads(line) for line in shared.daemon.ctl("--json", "warm", CODER).stdout.splitlines()]
    states = [line["data"]["state"] for line in lines]
    assert states[-1] == "ready"
    assert set(states[:-1]) <= {"waiting", "draining", "unloading", "loading"}
    assert "loading" in states


def test_ctrl_c_leaves_a_load_going(shared: Bench) -> None:
    shared.daemon.ctl("warm", CODER)
    aborted = shared.meter["aborted_loads"]
    warm = begin(shared.daemon, "warm", "local-llama")
    wait_for(lambda: shared.host["step"] == "loading", "the load has begun")
    time.sleep(0.4)  # it has told so: lodestarctl looks four times a second
    warm.send_signal(signal.SIGINT)
    status, _, error = end(warm)
    assert status == 130
    assert f"{LLAMA} goes on loading" in error
    shared.wait_listed({LLAMA: 4096})
    assert shared.meter["aborted_loads"] == aborted


def test_the_screens(shared: Bench) -> None:
    daemon = shared.daemon
    daemon.ctl("warm", LLAMA)
    assert daemon.ask("local-llama", "so that it has learned something").status == 200
    screen = daemon.ctl("gpu").stdout
    for words in ("t600", "Ollama 0.33.0", "nobody waits", "num_ctx 4096", LLAMA, "46 %", "Last loads", "GiB in use"):
        assert words in screen, screen
    assert all(len(line) <= 80 for line in screen.splitlines()), screen
    assert "nobody waits" in daemon.ctl("gpu", "queue").stdout
    assert daemon.ctl_json("gpu", "queue")["hosts"][0]["places"] == []
    status = daemon.ctl("status").stdout
    assert f"idle, {LLAMA} loaded" in status
    assert [up["resident"] for up in daemon.ctl_json("status")["upstreams"]] == [[LLAMA]]
    assert daemon.ctl("doctor").returncode == 0
    assert "There is no host" in daemon.ctl("gpu", "nowhere").stderr
    assert daemon.ctl("warm", "no-such").returncode == 2


def test_who_waits_is_shown_and_explained(shared: Bench) -> None:
    daemon = shared.daemon
    daemon.ctl("warm", LLAMA)
    first = daemon.stream("local-llama", "a long one " * 20)
    first.wait_text()
    second = begin(daemon, "ask", "-m", "coder", "and then this")
    (queue,) = wait_for(
        lambda: [one for one in daemon.ctl_json("gpu", "queue")["hosts"] if len(one["places"]) == 2], "one waits"
    )
    assert [(place["model"], place["state"]) for place in queue["places"]] == [
        (LLAMA, "running"),
        (CODER, "waiting"),
    ]
    assert queue["reason"] == f"{LLAMA} ends what it is at; then {CODER}"
    assert first.rest().done
    status, _, error = end(second)
    assert status == 0, error
    row = daemon.rows(1)[-1]
    assert row["alias"] == "coder"
    told = daemon.ctl("explain", row["request_id"]).stdout
    assert re.search(rf"a swap from {re.escape(LLAMA)} to {re.escape(CODER)} took \d\.\d s", told), told
    assert re.search(r"waited \d\.\d s for t600", told), told
    assert "was expected after" in told
    notes = json.dumps(daemon.ctl_json("explain", row["request_id"]))
    assert "a swap from" in notes


def test_pins(shared: Bench) -> None:
    daemon = shared.daemon
    try:
        assert "only requests that somebody waits for" in " ".join(daemon.ctl("gpu", "pin", LLAMA).stdout.split())
        assert shared.model(LLAMA)["pinned"] == "kept"
        shared.wait_listed({LLAMA: 4096})
        assert daemon.ask("coder").status == 200, "somebody waited for it"
        shared.wait_listed({LLAMA: 4096})
        refused = daemon.ctl("gpu", "pin", CODER)
        assert refused.returncode != 0
        assert f"{LLAMA} is pinned already" in refused.stderr
        assert daemon.ctl_json("gpu", "pin", LLAMA, "--exclusive")["pinned"] == "exclusive"
        answer = daemon.ask("coder")
        assert (answer.status, answer.json["error"]["code"]) == (503, "upstream_busy")
        assert "is pinned to" in answer.json["error"]["message"]
    finally:
        assert daemon.ctl_json("gpu", "unpin", LLAMA)["changed"]
    assert "was not pinned" in daemon.ctl("gpu", "unpin", LLAMA).stdout
    assert daemon.ask("coder").status == 200


def test_lending(shared: Bench) -> None:
    daemon = shared.daemon
    daemon.ctl("warm", LLAMA)
    try:
        assert "The card of t600 is lent until" in daemon.ctl("gpu", "pause", "--for", "2h").stdout
        shared.wait_listed({})
        host = shared.host
        assert (host["step"], host["reason"]) == ("paused", "the card is lent")
        assert host["models"][0]["wait"] is None, "nobody knows when it is back"
        assert daemon.ask("local-llama").status == 503
        assert "is lent to something else" in daemon.ctl("warm", LLAMA).stderr
    finally:
        assert daemon.ctl_json("gpu", "resume")["changed"]
    assert "was not lent" in daemon.ctl("gpu", "resume").stdout
    assert daemon.ask("local-llama").status == 200


def test_a_card_that_is_lent_for_a_while_comes_back(shared: Bench) -> None:
    lent = shared.daemon.ctl_json("gpu", "pause", "t600", "--for", "1s")
    assert lent["lent"]
    wait_for(lambda: not shared.host["paused_until_ms"], "the time is over")
    assert shared.daemon.ask("local-llama").status == 200


def test_unload(shared: Bench) -> None:
    shared.daemon.ctl("warm", LLAMA)
    assert f"{LLAMA} has left the card of t600" in shared.daemon.ctl("unload", "local-llama").stdout
    assert shared.in_memory == {}
    assert "was not loaded" in shared.daemon.ctl("unload", "local-llama").stdout
    assert json.loads(shared.daemon.ctl("--json", "unload", LLAMA).stdout)["data"]["was_loaded"] is False


# -- a model that is not there ---------------------------------------------------------------------------------------


def test_a_deleted_model_is_told_of_and_pulled(bench: Bench) -> None:
    daemon = bench.daemon
    assert bench.sim("/api/delete", {"model": LLAMA}, "DELETE").status == 200
    answer = daemon.ask("local-llama")
    assert answer.status in (404, 502, 503), answer.body
    assert answer.json["error"]["code"] == "upstream_model_missing"
    wait_for(lambda: bench.model(LLAMA)["missing"], "it is known to be missing")
    assert "✗ missing" in daemon.ctl("gpu").stdout
    checked = daemon.ctl("doctor")
    assert f"lodestarctl models pull t600/{LLAMA}" in " ".join(checked.stdout.split()), checked.stdout
    assert f"lodestarctl models pull t600/{LLAMA}" in daemon.ctl("warm", "local-llama").stderr
    pulled = daemon.ctl("models", "pull", f"t600/{LLAMA}")
    assert (pulled.returncode, pulled.stdout) == (0, f"✓ {LLAMA} is on t600 (4.9 GB).\n"), pulled.stderr
    assert daemon.ask("local-llama").status == 200
    wait_for(lambda: not bench.model(LLAMA)["missing"], "it is there again")
    unknown = daemon.ctl("models", "pull", "t600/mixtrl")
    assert unknown.returncode != 0
    assert "ollama.com/library" in unknown.stderr


# -- the configuration changes ---------------------------------------------------------------------------------------


def test_another_context_is_loaded_anew(bench: Bench) -> None:
    daemon = bench.daemon
    assert daemon.ask("local-llama").status == 200
    assert bench.in_memory == {LLAMA: 4096}
    daemon.write({"upstreams": {"t600": {"options": {"num_ctx": 8192}}}})
    daemon.signal(signal.SIGHUP)
    bench.wait_listed({LLAMA: 8192})
    assert daemon.ask("local-llama").status == 200
    assert bench.model(LLAMA)["context_tokens"] == 8192
    assert bench.host["counts"]["unplanned"] == 0
    assert bench.meter["reloads"] == 0, "the server never had to do it by itself"


def test_residency_goes_and_comes(slow_bench: Bench) -> None:
    daemon = slow_bench.daemon
    assert daemon.ask("local-llama").status == 200
    daemon.write({"residency": {"enabled": False}})
    daemon.signal(signal.SIGHUP)
    wait_for(lambda: "Nobody looks after a card" in daemon.ctl("gpu").stderr, "it is off")
    assert daemon.ask("coder").status == 200, "Ollama does it by itself"
    assert daemon.ctl("status").returncode == 0
    assert daemon.ctl("doctor").returncode == 0
    daemon.write({"residency": {"enabled": True}, "upstreams": {"t600": {"options": {"num_ctx": 2048}}}})
    daemon.signal(signal.SIGHUP)
    wait_for(lambda: daemon.ctl("gpu").returncode == 0, "it is on again")
    assert daemon.ask("coder").status == 200
    slow_bench.wait_listed({CODER: 2048})
    assert slow_bench.model(LLAMA)["load_s"]["count"] == 1, "what it had learned before is known"


# -- the daemon ends -------------------------------------------------------------------------------------------------


def test_a_stop_keeps_all_of_it(slow_bench: Bench) -> None:
    daemon = slow_bench.daemon
    daemon.ctl("gpu", "pin", LLAMA)
    slow_bench.wait_listed({LLAMA: 4096})
    for alias in ("coder", "local-llama", "coder"):
        assert daemon.ask(alias, "tell me " * 100).status == 200
    slow_bench.wait_quiet()
    known = {name: slow_bench.model(name)["load_s"]["count"] for name in (LLAMA, CODER)}
    assert min(known.values()) >= 1
    daemon.ctl("gpu", "pause", "--for", "1d")
    until_ms = slow_bench.host["paused_until_ms"]
    assert daemon.stop() == 0
    daemon.start()
    assert slow_bench.host["paused_until_ms"] == until_ms
    assert daemon.ask("coder").status == 503
    assert daemon.ctl_json("gpu", "resume")["changed"]
    assert slow_bench.model(LLAMA)["pinned"] == "kept"
    assert {name: slow_bench.model(name)["load_s"]["count"] for name in known} == known
    slow_bench.wait_listed({LLAMA: 4096})


def test_a_kill_costs_no_more_than_what_came_since_it_was_saved(bench: Bench) -> None:
    daemon = bench.daemon
    daemon.ctl("gpu", "pin", LLAMA)
    assert daemon.stop() == 0
    saved = (daemon.state_dir / KEEPSAKE).read_bytes()
    daemon.start()
    assert daemon.ask("coder").status == 200
    assert daemon.ctl_json("gpu", "unpin", LLAMA)["changed"]
    daemon.kill()
    assert (daemon.state_dir / KEEPSAKE).read_bytes() == saved
    daemon.start()
    assert bench.model(LLAMA)["pinned"] == "kept", "it was told otherwise less than a minute before"
    assert daemon.ask("coder").status == 200


# -- the server ends -------------------------------------------------------------------------------------------------


def test_the_server_restarts_and_is_upgraded_under_load(bench: Bench) -> None:
    """Nothing hangs, whoever comes afterwards is answered, and the new version is known."""
    daemon = bench.daemon
    workers = [begin(daemon, "ask", "-m", ("local-llama", "coder")[at % 2], f"number {at}") for at in range(6)]
    for version in ("0.33.1", "0.34.0"):
        bench.sim("/__sim/restart", {"version": version, "down_s": 0.3})
        wait_for(lambda: daemon.ask("local-llama").status == 200, "it answers again")
        assert daemon.ask("coder").status == 200
    for worker in workers:
        status, _, error = end(worker)
        assert status in (0, 6), error
    wait_for(lambda: bench.host["version"] == "0.34.0", "the new version is known")
    assert bench.host["reachable"]
    assert bench.host["counts"]["restarts"] >= 1
    assert bench.host["places"] == []
    daemon.wait_idle()
