"""The daemon begins anew: the same process number and sockets, a fresh image, and nothing lost on the way."""

import json
import os
import signal
import threading
import time
from pathlib import Path

import pytest

from tests.fakes.handing_over import holding
from tests.fakes.ports import free_port
from tests.fakes.process import PAID_MODEL, Daemon, MakeDaemon, Overlay, World, environ, get, wait_for

pytestmark = pytest.mark.daemon


@pytest.fixture
def paced(world: World) -> Overlay:
    """A model ``paced``, which takes about three seconds for an answer."""
    upstream = {**world.settings()["upstreams"]["paid"], "headers": {"x-sim-fault": "dribble=1000"}}
    name = f"paced/{PAID_MODEL}"
    prices = {name: world.settings()["prices"][f"paid/{PAID_MODEL}"]}
    return {"upstreams": {"paced": upstream}, "models": {"paced": {"route": [name]}}, "prices": prices}


def fewest_descriptors(daemon: Daemon) -> int:
    """Within a second and a half, in which control connections and the first probes end."""
    assert daemon.process is not None
    counts, until_s = [], time.monotonic() + 1.5
    while time.monotonic() < until_s:
        counts.append(len(os.listdir(f"/proc/{daemon.process.pid}/fd")))
        time.sleep(0.02)
    return min(counts)


def restarted(daemon: Daemon) -> dict[str, object]:
    assert daemon.process is not None
    report: dict[str, object] = daemon.ctl_json("restart")
    assert (report["ok"], report["by"], report["pid"]) == (True, "itself", daemon.process.pid)
    return report


def test_an_answer_under_way_ends_and_the_next_image_goes_on(make_daemon: MakeDaemon, paced: Overlay) -> None:
    daemon = make_daemon(paced).start()
    assert daemon.ask("paid").status == 200
    stream = daemon.stream("paced", max_tokens=10)
    stream.wait_text()
    assert restarted(daemon)["state"] == "ready"
    answer = stream.rest()
    assert answer.whole
    assert answer.done
    assert daemon.ask("auto").status == 200
    assert [row["status"] for row in daemon.rows()] == [200, 200, 200]
    restarted(daemon)
    before = fewest_descriptors(daemon)
    said = daemon.ctl("restart")
    assert said.returncode == 0
    assert "Restarted in" in said.stdout
    assert fewest_descriptors(daemon) <= before
    assert daemon.stop() == 0
    assert "Traceback" not in daemon.log
    assert daemon.verify()["requests"] == 3


def test_who_asks_in_between_waits_in_the_backlog(make_daemon: MakeDaemon, paced: Overlay) -> None:
    daemon = make_daemon(paced).start()
    stream = daemon.stream("paced", max_tokens=10)
    stream.wait_text()
    statuses: list[int] = []
    asking = threading.Thread(target=lambda: statuses.append(daemon.ask("auto").status))
    restarting = threading.Thread(target=daemon.ctl, args=("restart",))
    restarting.start()
    daemon.wait_log("draining: 1 requests under way")
    asking.start()
    assert stream.rest().done
    asking.join()
    restarting.join()
    assert statuses == [200]


def test_a_configuration_that_is_wrong_refuses_the_restart(make_daemon: MakeDaemon) -> None:
    daemon = make_daemon().start()
    good = daemon.config.read_text()
    daemon.config.write_text(good + "\n[cache]\nmax_bytse = 3\n")
    line = good.count("\n") + 3
    done = daemon.ctl("restart")
    assert done.returncode == 1
    assert f"{daemon.config}:{line}: cache.max_bytse" in done.stdout
    assert "Not restarted" in done.stdout
    asked = daemon.ctl("--json", "restart")
    assert asked.returncode == 1
    report = json.loads(asked.stdout)["data"]
    assert [(fault["key"], fault["line"]) for fault in report["faults"]] == [("cache.max_bytse", line)]
    assert daemon.ask("auto").status == 200
    assert "draining" not in daemon.log
    daemon.config.write_text(good)
    restarted(daemon)


def test_what_does_not_end_in_time_is_cut(make_daemon: MakeDaemon) -> None:
    daemon = make_daemon({"server": {"restart_drain_s": 0.3}}).start()
    stream = daemon.stream("stuck", "never mind")
    stream.wait_text()
    restarted(daemon)
    assert not stream.rest().done
    assert daemon.stop() == 0
    assert daemon.verify()["attempts"] == 1


def test_sigterm_makes_a_stop_of_it(make_daemon: MakeDaemon, paced: Overlay) -> None:
    daemon = make_daemon(paced).start()
    stream = daemon.stream("paced", max_tokens=10)
    stream.wait_text()
    done: list[int] = []
    restarting = threading.Thread(target=lambda: done.append(daemon.ctl("restart").returncode))
    restarting.start()
    daemon.wait_log("draining")
    daemon.signal(signal.SIGTERM)
    assert stream.rest().done
    assert daemon.wait() == 0
    assert "stopping instead of restarting" in daemon.log
    restarting.join()
    assert done == [3]


def test_signals_in_between_are_heeded(make_daemon: MakeDaemon) -> None:
    daemon = make_daemon().start()
    restarting = threading.Thread(target=daemon.ctl, args=("restart",))
    restarting.start()
    daemon.wait_log("draining")
    while restarting.is_alive():
        daemon.signal(signal.SIGHUP)
        time.sleep(0.005)
    assert daemon.running
    assert daemon.ask("auto").status == 200
    restarting = threading.Thread(target=daemon.ctl, args=("restart",))
    restarting.start()
    wait_for(lambda: daemon.log.count("draining: ") == 2, "the second drain")
    wait_for(lambda: not listens(daemon), "the new image, which has not opened its rooms yet")
    daemon.signal(signal.SIGTERM)
    assert daemon.wait() in (0, -signal.SIGTERM)
    restarting.join()


def listens(daemon: Daemon) -> bool:
    """Whether the process has its ledger open: the last room that the old image closes."""
    assert daemon.process is not None
    folder = Path(f"/proc/{daemon.process.pid}/fd")
    return any(str(each.readlink()).endswith("ledger.db") for each in folder.iterdir() if each.is_symlink())


def test_a_manager_that_restarts_says_so_before_it_stops(make_daemon: MakeDaemon) -> None:
    """As the unit's ExecStop= does. Both signals are taken together here, the number of SIGTERM is the lower one."""
    daemon = make_daemon({"server": {"restart_drain_s": 0.3}}).start()
    stream = daemon.stream("stuck", "never mind")
    stream.wait_text()
    for number in (signal.SIGSTOP, signal.SIGURG, signal.SIGTERM, signal.SIGCONT):
        daemon.signal(number)
    assert not stream.rest().done
    assert daemon.wait() == 0
    assert "draining: 1 requests under way, at most 0.3 s" in daemon.log


def test_another_address_is_taken(make_daemon: MakeDaemon) -> None:
    daemon = make_daemon().start()
    port = free_port()
    daemon.write({"server": {"listen": [f"127.0.0.1:{port}"]}})
    restarted(daemon)
    assert get(port, "/health/live").status == 200
    with pytest.raises(ConnectionRefusedError):
        daemon.get("/health/live")


def test_a_managers_sockets_are_handed_on(make_daemon: MakeDaemon, tmp_path: Path) -> None:
    daemon = make_daemon()
    held = tmp_path / "held.sock"
    with holding(held) as holder:
        daemon.port = holder.port
        daemon.start(env=environ(daemon.folder), **holder.how)
    daemon.write({"server": {"listen": [f"127.0.0.1:{free_port()}"]}})  # the manager's word counts
    for _ in range(2):
        done = daemon.ctl("--socket", str(held), "--json", "restart")
        assert done.returncode == 0, done.stderr
        assert daemon.ask("auto").status == 200
    assert daemon.stop() == 0
