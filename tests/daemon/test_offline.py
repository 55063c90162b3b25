"""What ``lodestard`` says without running."""

import json
import sqlite3
from contextlib import closing

import pytest

from lodestard import __version__
from tests.fakes.process import Daemon, MakeDaemon

pytestmark = pytest.mark.daemon


def test_version(make_daemon: MakeDaemon) -> None:
    done = make_daemon().run("--version")
    assert (done.returncode, done.stdout) == (0, f"lodestard {__version__}\n")


def test_a_good_configuration(make_daemon: MakeDaemon) -> None:
    daemon = make_daemon()
    done = daemon.run("--check")
    assert (done.returncode, done.stdout.splitlines()[-1]) == (0, f"{daemon.config}: ok")
    assert json.loads(daemon.run("--check", "--json").stdout)["data"]["ok"]
    assert not daemon.state_dir.exists()


def test_all_faults_at_once(make_daemon: MakeDaemon) -> None:
    daemon = make_daemon()
    daemon.config.write_text(
        """
[server]
listen = ["0.0.0.0:4000"]
[cache]
ttl = 5
[upstreams.gpu]
dialect = "olama"
url = "ftp://x"
[upstreams.openai]
dialect = "openai"
url = "https://api.openai.com/v1"
key = "sk-pasted-into-the-wrong-place"
[models.auto]
route = ["nobody/model"]
"""
    )
    done = daemon.run("--check")
    assert done.returncode == 78
    for line, key in (
        (3, "server.listen[0]"),
        (5, "cache.ttl"),
        (7, "upstreams.gpu.dialect"),
        (14, "models.auto.route[0]"),
    ):
        assert f"{daemon.config}:{line}" in done.stdout
        assert key in done.stdout
    assert "upstreams.openai.key" in done.stdout
    assert "sk-pasted" not in done.stdout + done.stderr
    started = daemon.run()
    assert started.returncode == 78
    assert started.stderr.startswith("lodestard: ")
    assert "cache.ttl" in started.stderr
    assert "Traceback" not in started.stderr
    assert daemon.run("--listen", "127.0.0.1:0").returncode == 78


@pytest.mark.parametrize(
    ("address", "words"),
    [
        ("0.0.0.0:0", "not a loopback address"),
        ("[::]:4000", "not a loopback address"),
        ("4000", "expected ADDRESS:PORT"),
    ],
)
def test_the_command_line_listens_by_the_same_rules(make_daemon: MakeDaemon, address: str, words: str) -> None:
    done = make_daemon().run("--listen", address)
    assert done.returncode == 78
    assert done.stderr.splitlines()[-1].startswith("lodestard: --listen: ")
    assert words in done.stderr


def test_no_configuration_at_all(make_daemon: MakeDaemon) -> None:
    daemon = make_daemon()
    daemon.config.unlink()
    for arguments in (("--check",), ()):
        done = daemon.run(*arguments)
        assert done.returncode == 78
        assert str(daemon.config) in done.stdout + done.stderr


def test_doctor(make_daemon: MakeDaemon, house: Daemon) -> None:
    healthy = make_daemon().run("--doctor", "--json")
    assert healthy.returncode == 0, healthy.stdout
    taken = make_daemon({"server": {"listen": [f"127.0.0.1:{house.port}"]}}).run("--doctor")
    assert taken.returncode == 1
    assert str(house.port) in taken.stdout
    keyless = make_daemon({"upstreams": {"paid": {"key": {"env": "NO_SUCH_VARIABLE"}}}}).run("--doctor")
    assert "NO_SUCH_VARIABLE" in keyless.stdout


def test_verify_ledger(house: Daemon) -> None:
    for model in ("paid", "auto", "busy"):
        house.ask(model)
    house.wait_idle()
    running = house.run("--verify-ledger")
    assert running.returncode == 0, running.stderr
    assert "adds up" in running.stdout
    by_file = house.run("--verify-ledger", str(house.state_dir / "ledger.db"), "--json")
    assert json.loads(by_file.stdout)["data"]["requests"] == 3


def test_verify_finds_a_ledger_that_was_altered(make_daemon: MakeDaemon) -> None:
    daemon = make_daemon().start()
    daemon.ask("paid")
    assert daemon.stop() == 0
    with closing(sqlite3.connect(daemon.state_dir / "ledger.db")) as database, database:
        database.execute("UPDATE request SET cost_nano_usd = cost_nano_usd + 1")
    done = daemon.run("--verify-ledger")
    assert done.returncode == 1
    assert "not the sums of its attempts" in done.stdout
    missing = daemon.run("--verify-ledger", str(daemon.folder / "nothing.db"), "--json")
    assert missing.returncode == 1
    assert "error" in json.loads(missing.stdout)
