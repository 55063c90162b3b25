"""A running daemon answers as the documentation says, and refuses to run twice."""

import json
from typing import Any

import pytest

from tests.fakes.process import CHAT, PAID_MODEL, Daemon, MakeDaemon, World, connect, question

pytestmark = pytest.mark.daemon


def test_says_that_it_is_ready(house: Daemon) -> None:
    line = house.wait_log("ready on")
    assert f"127.0.0.1:{house.port}" in line
    assert house.get("/health/ready").json == {"status": "ready"}
    assert house.get("/health/live").json["status"] == "ok"


def test_plain_and_streamed_answers_of_both_upstreams(house: Daemon) -> None:
    for model, target in (("auto", "gpu/llama3.1:8b"), ("paid", f"paid/{PAID_MODEL}")):
        plain = house.ask(model, "why is the sky blue")
        streamed = house.stream(model, "why is the sky blue").rest()
        assert (plain.status, streamed.status) == (200, 200)
        assert plain.text == streamed.text
        assert "why is the sky blue" in plain.text
        assert streamed.whole
        assert streamed.done
        assert plain.headers["x-lodestar-model"] == target
        assert plain.json["usage"]["completion_tokens"] > 0


def test_a_price_is_on_the_paid_answer_alone(house: Daemon) -> None:
    assert float(house.ask("paid").headers["x-lodestar-cost-usd"]) > 0
    assert float(house.ask("auto").headers["x-lodestar-cost-usd"]) == 0


def test_connections_are_kept_alive(house: Daemon) -> None:
    connection = connect(house.port)
    connection.connect()
    own = connection.sock
    body = json.dumps(question("auto"))
    for _ in range(3):
        connection.request("POST", CHAT, body, {"content-type": "application/json"})
        assert connection.getresponse().read()
        assert connection.sock is own
    connection.close()


def test_the_models_are_the_aliases(house: Daemon, world: World) -> None:
    listed = [model["id"] for model in house.get("/v1/models").json["data"]]
    assert sorted(listed) == sorted(world.settings()["models"])
    missing = house.ask("pait")
    assert missing.status == 404
    assert "paid" in missing.json["error"]["message"]


def test_the_next_candidate_answers_for_a_broken_one(house: Daemon) -> None:
    answer = house.ask("fallback")
    assert answer.status == 200
    assert answer.headers["x-lodestar-model"] == "gpu/llama3.1:8b"
    assert answer.headers["x-lodestar-attempts"] == "2"


def test_a_busy_provider_says_how_long_to_wait(house: Daemon) -> None:
    answer = house.ask("busy")
    assert answer.status == 429
    assert answer.headers["retry-after"] == "7"


def test_metrics_are_on_the_proxys_port(house: Daemon) -> None:
    house.ask("auto")
    page = house.get("/metrics")
    assert page.status == 200
    assert b"lodestar_request_seconds_count" in page.body


@pytest.mark.parametrize(
    ("shared", "words"),
    [
        ("state_dir", "in use by another process"),
        ("port", "another process uses it"),
        ("socket", "Another process serves"),
    ],
)
def test_a_second_daemon_on_the_same_place_is_refused(
    house: Daemon, make_daemon: MakeDaemon, shared: str, words: str
) -> None:
    second = make_daemon()
    places: dict[str, dict[str, Any]] = {
        "state_dir": {"state_dir": str(house.state_dir)},
        "port": {"server": {"listen": [f"127.0.0.1:{house.port}"]}},
        "socket": {"control": {"socket": str(house.socket)}},
    }
    second.write(places[shared])
    done = second.run()
    assert done.returncode == 1
    last = done.stderr.strip().splitlines()[-1]
    assert last.startswith("lodestard: ")
    assert words in last
    assert "Traceback" not in done.stderr
    assert house.answers("/health/ready")
