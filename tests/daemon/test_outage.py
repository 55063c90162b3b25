"""Every upstream is down: it lives, it is not ready, and it says why."""

import pytest

from tests.fakes.ports import free_port
from tests.fakes.process import MakeDaemon, World, wait_for

pytestmark = pytest.mark.daemon


def test_not_ready_while_every_upstream_is_down(make_daemon: MakeDaemon, world: World) -> None:
    down = f"http://127.0.0.1:{free_port()}"
    settings = {
        "upstreams": {"gpu": {"dialect": "ollama", "url": down, "free": True}},
        "models": {"auto": {"route": ["gpu/llama3.1:8b"]}},
        "modules": {"health": {"interval_s": 0.1, "failures_to_down": 2}},
    }
    daemon = make_daemon(settings, alone=True).start()
    wait_for(lambda: daemon.get("/health/ready").status == 503, "it is not ready")
    refused = daemon.get("/health/ready").json
    assert refused == {"status": "not ready", "reason": "every upstream is down"}
    assert daemon.get("/health/live").status == 200
    daemon.wait_log("upstream gpu is down")
    failed = daemon.ask("auto")
    assert failed.status == 502
    assert failed.json["error"]["code"] == "upstream_unreachable"
    assert "gpu" in failed.json["error"]["message"]
    status = daemon.ctl_json("status")
    assert status["state"] == "degraded"
    assert [upstream["state"] for upstream in status["upstreams"]] == ["down"]

    daemon.write({"upstreams": {"gpu": {"url": f"http://127.0.0.1:{world.ollama_port}"}}})
    assert daemon.ctl_json("config", "reload")["ok"]
    wait_for(lambda: daemon.get("/health/ready").status == 200, "it is ready again")
    assert daemon.ask("auto").status == 200
