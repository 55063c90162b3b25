"""Sessions of the real daemon: they survive a stop and a kill, and take their limit from a reload."""

from typing import Any

import pytest

from tests.fakes.process import CHAT, Daemon, MakeDaemon, get

pytestmark = pytest.mark.daemon


def ask(daemon: Daemon, model: str = "auto", text: str = "hello", **headers: str) -> Any:
    body = {"model": model, "messages": [{"role": "user", "content": text}]}
    return get(daemon.port, CHAT, "POST", body, {name.replace("_", "-"): value for name, value in headers.items()})


def last_row(daemon: Daemon) -> dict[str, Any]:
    return dict(daemon.rows(1)[-1])


def test_a_session_goes_on_after_a_stop_and_after_a_kill(make_daemon: MakeDaemon) -> None:
    daemon = make_daemon().start()
    ask(daemon, user_agent="aider/1")
    first = last_row(daemon)["session"]
    assert first.startswith("aider-")
    daemon.ctl_json("session", "start", "refactor", "--client", "curl")
    assert daemon.stop() == 0

    daemon.start()
    ask(daemon, "paid", user_agent="aider/1")
    assert last_row(daemon)["session"] == first
    assert daemon.ctl_json("session", "show", first)["session"]["switches"] == 1
    daemon.kill()

    daemon.start()
    ask(daemon, user_agent="aider/1")
    assert last_row(daemon)["session"] == first
    ask(daemon, user_agent="curl/8", authorization="Bearer lodestar:alpha")
    row = last_row(daemon)
    assert (row["session"], row["project"]) == ("refactor", "alpha")
    report = daemon.ctl_json("session", "show", first)
    assert report["session"]["requests"] == 3
    assert [(each["from_target"], each["to_target"]) for each in report["switches"]] == [
        ("gpu/llama3.1:8b", "paid/gpt-4o-mini"),
        ("paid/gpt-4o-mini", "gpu/llama3.1:8b"),
    ]
    listed = daemon.ctl("session")
    assert first in listed.stdout
    assert "refactor" in listed.stdout
    assert daemon.ctl("session", "end", "refactor").returncode == 0
    daemon.verify()


def test_the_limit_comes_with_a_reload_and_ends_with_the_session(make_daemon: MakeDaemon) -> None:
    daemon = make_daemon().start()
    assert ask(daemon, x_lodestar_session="nightly").status == 200
    assert daemon.ctl("config", "set", "sessions.max_s", "0.001").returncode == 0
    refused = ask(daemon, x_lodestar_session="nightly")
    assert refused.status == 400
    assert b"lodestarctl session end nightly" in refused.body
    shown = daemon.ctl("session", "show", "nightly")
    assert "its requests are refused until it is" in shown.stdout
    assert daemon.ctl("session", "end", "nightly").returncode == 0
    assert ask(daemon, x_lodestar_session="nightly").status == 200
    assert daemon.ctl("session", "end", "nobody").returncode == 1


def test_our_own_question_says_where_it_was_asked(make_daemon: MakeDaemon) -> None:
    daemon = make_daemon().start()
    assert daemon.ctl("ask", "-m", "auto", "what is it?").returncode == 0
    row = last_row(daemon)
    assert row["project"]
    assert "/" not in row["project"]
