"""Keys for clients in the real process: made and revoked while it serves."""

import json
import signal

import pytest

from tests.fakes.process import CHAT, Answer, Daemon, MakeDaemon, Stream, connect, get, question, wait_for

pytestmark = pytest.mark.daemon
DIGEST = "0" * 64


def ask(daemon: Daemon, key: str, alias: str = "auto") -> Answer:
    return get(daemon.port, CHAT, "POST", question(alias), {"x-api-key": key} if key else {})


def test_a_key_is_made_used_and_revoked(make_daemon: MakeDaemon) -> None:
    daemon = make_daemon().start()
    assert ask(daemon, "").status == 200
    made = daemon.ctl("keys", "add", "laptop", "--project", "web", "--models", "auto,slow")
    assert made.returncode == 0, made.stderr
    key = made.stdout.strip()
    assert key.startswith("lodestar-")
    assert "It is the first one" in made.stderr
    drop_in = (daemon.folder / "conf.d" / "90-lodestarctl.toml").read_text()
    assert "key_sha256" in drop_in
    assert key not in drop_in

    assert ask(daemon, "").status == 401
    assert ask(daemon, key).status == 200
    assert ask(daemon, key, "paid").status == 404
    assert daemon.ctl("ask", "-m", "auto", "hello").returncode == 0
    (row,) = daemon.ctl_json("keys", "list")["keys"]
    assert (row["name"], row["state"], row["project"], row["models"]) == ("laptop", "active", "web", ["auto", "slow"])
    assert row["last_seen_ms"]
    assert [(each["principal"], each["project"]) for each in daemon.rows()[1:2]] == [("laptop", "web")]
    assert "laptop" in daemon.ctl("costs", "--by", "principal").stdout
    assert "laptop" in daemon.ctl("requests").stdout

    again = daemon.ctl("keys", "add", "laptop")
    assert (again.returncode, again.stdout) == (2, "")
    assert "--replace" in again.stderr
    stream = slow_stream(daemon, key)
    assert daemon.ctl("keys", "revoke", "laptop").returncode == 2  # nobody there to be asked
    assert daemon.ctl("keys", "revoke", "laptop", "--yes").returncode == 0
    assert ask(daemon, key).json["error"]["message"] == "The key of 'laptop' has been revoked."
    assert stream.rest().done
    assert "revoked" in daemon.ctl("keys").stdout

    renewed = json.loads(daemon.ctl("--json", "keys", "add", "laptop", "--replace").stdout)["data"]["key"]
    assert ask(daemon, key).status == 401
    assert ask(daemon, renewed).status == 200
    assert daemon.ctl("keys", "revoke", "lapto", "--yes").returncode != 0
    told = daemon.log + daemon.ctl("config", "show").stdout + daemon.ctl("--json", "keys").stdout
    assert key not in told
    assert renewed not in told


def slow_stream(daemon: Daemon, key: str) -> Stream:
    connection = connect(daemon.port)
    body = json.dumps(question("slow", stream=True, max_tokens=30)).encode()
    connection.request("POST", CHAT, body, {"content-type": "application/json", "x-api-key": key})
    stream = Stream(connection)
    stream.wait_text()
    return stream


def test_a_drop_in_with_the_last_word_is_told_of(make_daemon: MakeDaemon) -> None:
    daemon = make_daemon()
    folder = daemon.folder / "conf.d"
    folder.mkdir()
    (folder / "95-mine.toml").write_text(f'[clients.ann]\nkey_sha256 = "{DIGEST}"\nenabled = true\n')
    daemon.start()
    done = daemon.ctl("keys", "revoke", "ann", "--yes")
    assert done.returncode == 1
    assert "has the last word" in done.stdout
    assert daemon.ctl("keys", "add", "ann", "--replace").returncode == 1


def test_the_last_client_can_be_taken_away_on_a_loopback_address(make_daemon: MakeDaemon) -> None:
    daemon = make_daemon({"clients": {"ann": {"key_sha256": DIGEST}}}).start()
    assert ask(daemon, "").status == 401
    daemon.settings.pop("clients")
    daemon.write()
    daemon.signal(signal.SIGHUP)
    wait_for(lambda: ask(daemon, "").status == 200, "no key is asked for any more")
