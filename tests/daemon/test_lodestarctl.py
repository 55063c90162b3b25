"""``lodestarctl`` against the running daemon: what a person reads and what a program reads."""

import json
import signal
import subprocess
import sys
import threading

import pytest

from lodestard import __version__
from tests.fakes.process import PAID_MODEL, Daemon, MakeDaemon, environ

pytestmark = pytest.mark.daemon


def test_status(house: Daemon) -> None:
    house.ask("paid")
    status = house.ctl_json("status")
    assert (status["state"], status["pid"]) == ("ready", house.process.pid if house.process else 0)
    assert status["config"] == str(house.config)
    assert status["today"]["requests"] >= 1
    kinds = {listener["kind"]: listener["address"] for listener in status["listeners"]}
    assert kinds == {"proxy": f"127.0.0.1:{house.port}", "control": str(house.socket)}
    assert {upstream["name"] for upstream in status["upstreams"]} >= {"gpu", "paid", "slow"}
    screen = house.ctl("status").stdout
    assert f"127.0.0.1:{house.port}" in screen
    assert "gpu" in screen


def test_costs_and_requests(house: Daemon) -> None:
    answer = house.ask("paid", "what does it cost")
    row = house.rows(1)[0]
    assert row["request_id"] == answer.request_id
    assert (row["alias"], row["target"], row["outcome"]) == ("paid", f"paid/{PAID_MODEL}", "ok")
    assert row["cost_nano_usd"] == round(float(answer.headers["x-lodestar-cost-usd"]) * 1e9) > 0
    costs = house.ctl_json("costs", "--by", "alias", "--since", "24h")
    assert "paid" in {line["name"] for line in costs["rows"]}
    assert f"paid/{PAID_MODEL}" in house.ctl("costs").stdout
    assert answer.request_id[-8:] in house.ctl("requests", "-n", "3").stdout
    assert house.ctl("requests", "-n", "-1").returncode == 2
    assert house.ctl("costs", "--since", "yesteryear").returncode == 2


def test_following_requests(house: Daemon) -> None:
    command = [
        sys.executable,
        "-m",
        "lodestarctl",
        "--socket",
        str(house.socket),
        "--json",
        "requests",
        "-f",
        "-n",
        "1",
    ]
    house.ask("auto")
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environ(house.folder))
    assert process.stdout is not None
    patience = threading.Timer(10.0, process.kill)
    patience.start()
    try:
        assert json.loads(process.stdout.readline())["data"]["alias"] == "auto"
        answer = house.ask("paid")
        followed = json.loads(process.stdout.readline())["data"]
        assert followed["request_id"] == answer.request_id
        process.send_signal(signal.SIGINT)
        assert process.wait() == 130
    finally:
        patience.cancel()
        process.kill()
        process.wait()
        process.stdout.close()


def test_explain(house: Daemon) -> None:
    answer = house.ask("fallback", "who answers")
    told = house.ctl_json("explain", answer.request_id)
    assert [attempt["target"] for attempt in told["attempts"]] == [f"broken/{PAID_MODEL}", "gpu/llama3.1:8b"]
    assert told["attempts"][0]["outcome"] == "upstream_error"
    assert told["request"]["target"] == "gpu/llama3.1:8b"
    screen = house.ctl("explain", answer.request_id).stdout
    assert "upstream_error" in screen
    assert "gpu/llama3.1:8b" in screen
    missing = house.ctl("explain", "req_there_is_none")
    assert missing.returncode == 1
    assert "There is no request" in missing.stderr


def test_models(house: Daemon) -> None:
    models = {model["alias"]: model for model in house.ctl_json("models", "list")["models"]}
    assert models["auto"]["targets"][0]["free"]
    assert models["paid"]["targets"][0]["input_pico_usd"] == 150_000
    assert "fallback" in house.ctl("models").stdout
    tested = house.ctl("models", "test", "auto", "busy", "--yes")
    assert "gpu/llama3.1:8b" in tested.stdout
    assert "upstream_rate_limited" in tested.stdout
    assert tested.returncode == 6


def test_cache(house: Daemon) -> None:
    house.ctl("cache", "clear")
    for _ in range(2):
        house.ask("paid", "keep this one", temperature=0)
    stats = house.ctl_json("cache", "stats")
    assert stats["entries"] == 1
    assert stats["hits"] >= 1
    assert "paid" in house.ctl("cache", "stats").stdout
    exported = house.ctl("cache", "export").stdout
    assert len(exported.splitlines()) == 1
    assert house.ctl_json("cache", "clear") == {"entries": 1}
    assert house.ask("paid", "keep this one", temperature=0).headers["x-lodestar-cache"] == "miss"
    house.ctl("cache", "clear")
    warmed = house.ctl("cache", "warm", "-", stdin=exported)
    assert warmed.returncode == 0, warmed.stderr
    assert house.ask("paid", "keep this one", temperature=0).headers["x-lodestar-cache"] == "hit"


def test_log_level(house: Daemon) -> None:
    assert house.ctl_json("log-level", "debug") == {"level": "debug", "was": "info"}
    assert "it was debug" in house.ctl("log-level", "info").stdout
    assert house.ctl("log-level", "loud").returncode == 2


def test_config(house: Daemon) -> None:
    values = {entry["key"]: entry for entry in house.ctl_json("config", "show")["entries"]}
    assert json.loads(values["server.drain_s"]["value"]) == 10.0
    assert values["server.drain_s"]["origin"].startswith(f"{house.config}:")
    assert values["cache.ttl_s"]["origin"] == "default"
    assert f"{house.config}:" in house.ctl("config", "show", "--origin").stdout
    assert str(house.config) not in house.ctl("config", "show").stdout
    assert house.ctl_json("config", "check")["ok"]


def test_ledger_verify(house: Daemon) -> None:
    house.ask("paid")
    report = house.ctl_json("ledger", "verify")
    assert report["ok"]
    assert report["requests"] > 0
    assert "adds up" in house.ctl("ledger", "verify").stdout
    by_file = house.ctl("ledger", "verify", str(house.state_dir / "ledger.db"))
    assert by_file.returncode == 0, by_file.stderr


def test_ask(house: Daemon) -> None:
    done = house.ctl("ask", "--model", "paid", "what", "is", "a", "star?")
    assert done.returncode == 0
    assert "what is a star?" in done.stdout
    assert f"paid/{PAID_MODEL}" in done.stderr
    lines = [json.loads(line) for line in house.ctl("--json", "ask", "-", stdin="from a pipe").stdout.splitlines()]
    assert "from a pipe" in "".join(line["data"].get("text", "") for line in lines)
    last = lines[-1]["data"]
    assert last["target"] == "gpu/llama3.1:8b"
    assert house.rows(1)[0]["request_id"] == last["request_id"]
    assert house.ctl("ask", "--model", "nobody", "there?").returncode == 2
    assert house.ctl("ask", "--model", "broken", "there?").returncode == 6


def test_version_and_doctor(house: Daemon) -> None:
    assert house.ctl_json("version")["version"] == __version__
    assert __version__ in house.ctl("version").stdout
    assert house.ctl("--version").stdout == f"lodestarctl {__version__}\n"
    report = house.ctl_json("doctor")
    assert report["running"]
    assert report["checks"] > 0


def test_with_the_daemon_down(make_daemon: MakeDaemon) -> None:
    daemon = make_daemon().start()
    assert daemon.ctl("status").returncode == 0
    daemon.kill()
    for words in (("status",), ("costs",), ("ask", "hello"), ("drain",)):
        done = daemon.ctl(*words)
        assert done.returncode == 3
        assert done.stdout == ""
        assert "lodestard" in done.stderr
    refused = daemon.ctl("--json", "status")
    assert refused.returncode == 3
    assert json.loads(refused.stderr)["error"]["code"] == "not_running"
    checked = daemon.ctl("--json", "--config", str(daemon.config), "config", "check")
    assert checked.returncode == 0, checked.stderr
    assert json.loads(checked.stdout)["data"]["ok"]
    examined = daemon.ctl("--json", "--config", str(daemon.config), "doctor")
    assert not json.loads(examined.stdout)["data"]["running"]
