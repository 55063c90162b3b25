"""Learning in idle time, from the command line to the configuration and back."""

import pytest

from tests.fakes.process import MakeDaemon

pytestmark = pytest.mark.daemon


def test_it_is_switched_on_and_off_and_says_what_is_missing(make_daemon: MakeDaemon) -> None:
    daemon = make_daemon().start()
    assert daemon.ctl_json("eval", "idle") == {**daemon.ctl_json("eval", "idle", "status"), "enabled": False}
    assert "modules.eval_idle" in daemon.ctl("eval", "idle", "report").stderr
    switched = daemon.ctl("eval", "idle", "on")
    assert switched.returncode == 0, switched.stderr
    assert "lodestarctl config set ledger.store_text true" in " ".join(switched.stdout.split())
    status = daemon.ctl_json("eval", "idle")
    assert (status["store_text"], status["judged"], status["per_day"]) == (False, 0, 200)
    assert "ledger.store_text is off" in status["doing"]
    assert daemon.ctl_json("status")["parts"]["eval_idle"]["now"] == status["doing"]
    assert daemon.ctl_json("eval", "idle", "report") == {"rows": []}
    assert daemon.ctl("eval", "idle", "off").returncode == 0
    assert daemon.ctl_json("eval", "idle")["enabled"] is False
    assert daemon.stop() == 0
    assert "Traceback" not in daemon.log
