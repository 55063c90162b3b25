"""A reload takes the configuration in anew, whole or not at all."""

import json
import signal

import pytest

from tests.fakes.process import Daemon

pytestmark = pytest.mark.daemon


def aliases(daemon: Daemon) -> set[str]:
    return {model["id"] for model in daemon.get("/v1/models").json["data"]}


def test_sighup_adds_an_alias_and_disturbs_nobody(house: Daemon) -> None:
    stream = house.stream("slow", "a long one that is under way", max_tokens=40)
    stream.wait_text()
    house.write({"models": {"added": {"route": ["gpu/llama3.1:8b"]}}})
    house.signal(signal.SIGHUP)
    house.wait_log(r"configuration reloaded: \d+ changed, 0 at the next restart")
    assert not stream.answer.whole
    assert "added" in aliases(house)
    assert house.ask("added").status == 200
    answer = stream.rest()
    assert answer.whole
    assert answer.done


def test_what_is_wrong_changes_nothing_and_is_named(house: Daemon) -> None:
    before = aliases(house)
    good = house.config.read_text()
    house.config.write_text(good + "\n[cache]\nttl_s = -1\nmax_bytse = 3\n")
    line = good.count("\n") + 3
    house.signal(signal.SIGHUP)
    house.wait_log("the configuration was not reloaded, the old one stays")
    assert f"{house.config}:{line}" in house.log
    assert "cache.ttl_s" in house.log
    assert "cache.max_bytse" in house.log
    assert aliases(house) == before
    assert house.ask("auto").status == 200

    done = house.ctl("config", "reload")
    assert done.returncode == 1
    assert "cache.ttl_s" in done.stdout
    assert "did you mean" in done.stdout
    asked = house.ctl("--json", "config", "reload")
    assert asked.returncode == 1
    report = json.loads(asked.stdout)["data"]
    assert not report["ok"]
    assert {(fault["key"], fault["line"]) for fault in report["faults"]} == {
        ("cache.ttl_s", line),
        ("cache.max_bytse", line + 1),
    }

    house.config.write_text("not [ toml")
    assert house.ctl("config", "reload").returncode == 1
    house.config.write_text(good)
    assert house.ctl("config", "reload").returncode == 0
    assert house.ask("auto").status == 200


def test_what_waits_for_a_restart_is_said(house: Daemon) -> None:
    house.write({"server": {"limits": {"head_fields": 90}}, "log": {"level": "debug"}})
    report = house.ctl_json("config", "reload")
    assert report["ok"]
    assert report["restart"] == ["server.limits.head_fields"]
    assert set(report["changed"]) == {"server.limits.head_fields", "log.level"}


def test_a_value_is_set_from_the_command_line_and_taken_back(house: Daemon) -> None:
    before = house.config.read_text()
    assert house.ctl("config", "set", "models.quick.route", '["gpu/llama3.1:8b"]').returncode == 0
    assert house.ask("quick").status == 200
    assert house.config.read_text() == before
    shown = house.ctl("config", "show", "--origin").stdout
    assert "90-lodestarctl.toml" in shown
    wrong = house.ctl("config", "set", "cache.ttl_s", "soon")
    assert wrong.returncode == 1
    assert "cache.ttl_s" in wrong.stdout
    assert house.ctl("config", "unset", "models.quick").returncode == 0
    assert "quick" not in aliases(house)
