"""``lodestarctl setup`` with a real daemon: in a terminal of its own, and by a script."""

import fcntl
import json
import os
import pty
import re
import select
import subprocess
import sys
import termios
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from tests.fakes import canaries
from tests.fakes.process import PATIENCE_S, Daemon, MakeDaemon, World, environ, wait_for

pytestmark = pytest.mark.daemon

CANARY = "sk-canary-setup-0123456789"
DOWN = "http://127.0.0.1:9"


class Person:
    """Somebody at a narrow terminal, who waits for a question before answering it."""

    def __init__(self, daemon: Daemon, *words: str) -> None:
        self.seen = ""
        self._at = 0
        self._ours, theirs = pty.openpty()
        env = {**environ(daemon.folder), "COLUMNS": "64", "TERM": "xterm"}
        command = [
            sys.executable,
            "-m",
            "lodestarctl",
            "--config",
            str(daemon.config),
            "--socket",
            str(daemon.socket),
        ]
        self._process = subprocess.Popen(
            [*command, "setup", *words],
            stdin=theirs,
            stdout=theirs,
            stderr=theirs,
            env=env,
            start_new_session=True,
            preexec_fn=lambda: take_terminal(theirs),
        )
        os.close(theirs)

    def wait_for(self, words: str) -> None:
        """Read until ``words`` are there, however they are broken into lines; what is read begins after them next."""
        wanted = re.compile(r"\s+".join(map(re.escape, words.split())))
        while not (found := wanted.search(self.seen, self._at)):
            assert self._read(), f"it ended before {words!r}:\n{self.seen}"
        self._at = found.end()

    def wait_unseen(self) -> None:
        """Until the terminal shows nothing of what is typed."""
        wait_for(lambda: not termios.tcgetattr(self._ours)[3] & termios.ECHO, "the terminal is silent")

    def type(self, text: str) -> None:
        os.write(self._ours, text.encode())

    def answer(self, question: str, text: str) -> None:
        self.wait_for(question)
        self.type(f"{text}\n")

    def end(self) -> int:
        """Its exit status."""
        while self._read():
            pass
        return self._process.wait(PATIENCE_S)

    def leave(self) -> None:
        """The terminal goes, and with it whoever runs there."""
        os.close(self._ours)
        self._process.kill()
        self._process.wait()

    def _read(self) -> bool:
        if not select.select([self._ours], [], [], PATIENCE_S)[0]:
            return False
        try:
            data = os.read(self._ours, 65_536)
        except OSError:  # EIO: the other end is closed
            return False
        self.seen += data.decode()
        return bool(data)


def take_terminal(descriptor: int) -> None:
    """So that Ctrl-C is for whoever runs there."""
    fcntl.ioctl(descriptor, termios.TIOCSCTTY, 0)


@pytest.fixture(autouse=True)
def no_server_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever runs on this machine: no test asks it."""
    monkeypatch.setenv("OLLAMA_HOST", DOWN)


@pytest.fixture
def sit_down() -> Iterator[Callable[..., Person]]:
    """Puts somebody at a terminal."""
    there: list[Person] = []

    def sit(daemon: Daemon, *words: str) -> Person:
        there.append(Person(daemon, *words))
        return there[-1]

    yield sit
    for person in there:
        person.leave()


@pytest.fixture(scope="module")
def bare(world: World) -> Mapping[str, Any]:
    """A configuration with a paid provider that has no key yet, and an Ollama server that is not where it was."""
    openai = {"dialect": "openai", "url": f"http://127.0.0.1:{world.openai_port}/v1", "key": {"env": "UNSET_KEY"}}
    return {
        "upstreams": {"openai": openai, "t600": {"dialect": "ollama", "url": DOWN, "free": True}},
        "models": {"chat": {"route": ["t600/mistral:7b"]}},
        "prices": {"openai/gpt-4o-mini": {"input": "0.15", "output": "0.60", "max_output_tokens": 16384}},
    }


def setup(daemon: Daemon, *words: str, stdin: str = "") -> subprocess.CompletedProcess[str]:
    done = daemon.ctl("--config", str(daemon.config), "setup", *words, stdin=stdin)
    assert CANARY not in done.stdout + done.stderr
    return done


def drop_in(daemon: Daemon) -> Path:
    return daemon.folder / "conf.d/20-setup.toml"


def files_of(daemon: Daemon) -> list[str]:
    return sorted(str(file.relative_to(daemon.folder)) for file in daemon.folder.rglob("*") if "setup" in file.name)


def test_a_person_is_led_to_a_first_answer(
    make_daemon: MakeDaemon, sit_down: Callable[..., Person], world: World, bare: Mapping[str, Any]
) -> None:
    daemon = make_daemon(bare, alone=True).start()
    person = sit_down(daemon)
    person.answer("Address of an Ollama server (Enter: go on without one):", f"127.0.0.1:{world.ollama_port}")
    person.answer("Who answers in its place? [1]", "")
    person.answer("Keys of which do you want to give (names, Enter: none)?", "openai")
    person.wait_for("it is not shown; Enter: skip):")
    person.wait_unseen()
    person.type(f"  {CANARY}\n")
    person.answer("Try it at openai now? It costs nothing. [Y/n]", "")
    person.wait_for("openai accepts the key.")
    person.answer("a month (-: no limit)? [20]", "3.50")
    person.answer("in which time zone?", "")
    person.answer("Write this? [Y/n]", "")
    assert person.end() == 0, person.seen
    assert CANARY not in person.seen
    assert "t600/llama3.1:8b answered in" in person.seen
    assert "it cost $0.00." in person.seen
    key = daemon.folder / "keys/openai"
    assert (key.read_text().strip(), key.stat().st_mode & 0o777) == (CANARY, 0o600)
    daemon.get("/health/ready")
    assert daemon.ask("openai/gpt-4o-mini").status == 200  # with the key
    (row,) = [row for row in daemon.rows() if row["client"] == "lodestarctl"]
    assert row["request_id"] in person.seen
    budgets = daemon.ctl_json("budget", "list")["budgets"]
    assert [(each["name"], each["lines"][0]["limit"]) for each in budgets] == [("month", 3_500_000_000)]
    for text in (daemon.log, drop_in(daemon).read_text()):
        assert CANARY not in text
    again = setup(daemon, "--check")
    assert again.returncode == 0, again.stdout


def test_ctrl_c_and_a_no_write_nothing(
    make_daemon: MakeDaemon, sit_down: Callable[..., Person], bare: Mapping[str, Any]
) -> None:
    daemon = make_daemon(bare, alone=True)
    person = sit_down(daemon, "--budget", "5")
    person.wait_for("Address of an Ollama server (Enter: go on without one):")
    person.type("\x03")
    assert person.end() == 130, person.seen
    assert "Nothing was written." in person.seen
    doubter = sit_down(daemon, "--budget", "5", "--timezone", "Europe/Berlin")
    doubter.answer("Address of an Ollama server (Enter: go on without one):", "")
    doubter.answer("(names, Enter: none)?", "")
    doubter.answer("Write this? [Y/n]", "n")
    assert doubter.end() == 0
    assert files_of(daemon) == []
    silent = sit_down(daemon, "--yes", "--dry-run", "--budget", "5")  # a terminal is there, and nobody is asked
    assert silent.end() == 0
    assert " ? " not in silent.seen


def test_a_script_sets_all_of_it_up_and_a_second_run_changes_nothing(
    make_daemon: MakeDaemon, world: World, bare: Mapping[str, Any]
) -> None:
    daemon = make_daemon(bare, alone=True).start()
    words = ("--yes", "--ollama", f"http://127.0.0.1:{world.ollama_port}", "--key", "openai=-", "--budget", "4")
    bills = world.bills()
    done = setup(daemon, *words, "--pull", "qwen3:1.7b", "--try-keys", "--json", stdin=f"{CANARY}\n")
    assert done.returncode == 0, done.stderr
    data = json.loads(done.stdout)["data"]
    assert data["running"]
    assert data["request"]["model"] == "t600/llama3.1:8b"
    assert data["request"]["error"] == ""
    assert any(str(drop_in(daemon)) in each for each in data["done"])
    assert world.bills() == bills
    assert "Downloading t600/qwen3:1.7b" in done.stderr
    before = drop_in(daemon).read_bytes()
    again = setup(daemon, *words, "--json", stdin=f"{CANARY}\n")
    assert again.returncode == 0, again.stderr
    assert json.loads(again.stdout)["data"]["done"] == []
    assert drop_in(daemon).read_bytes() == before
    undone = setup(daemon, "--yes", "--no-test", "--json", "--pull", "nosuch:1b", "--aider", "/nodir")
    assert undone.returncode == 1
    assert json.loads(undone.stdout)["data"]["undone"] == ["pull t600/nosuch:1b", "aider /nodir"]
    left = setup(daemon, "--yes", "--no-start", "--json", "--aider", str(daemon.folder))
    assert (left.returncode, "when it runs" in left.stderr) == (1, False), left.stderr
    assert json.loads(left.stdout)["data"]["undone"] == [f"aider {daemon.folder}"]
    gone = setup(daemon, "--yes", "--remove-key", "openai", "--no-test")
    assert gone.returncode == 0, gone.stderr
    assert not (daemon.folder / "keys/openai").exists()
    assert daemon.ask("openai/gpt-4o-mini").status != 200
    canaries.search(daemon.state_dir, [CANARY])


def test_what_would_not_start_is_not_written(make_daemon: MakeDaemon, bare: Mapping[str, Any]) -> None:
    daemon = make_daemon(bare, alone=True)
    later = daemon.folder / "conf.d/50-mine.toml"
    later.parent.mkdir()
    later.write_text("[ledger]\nretention_days = 0\n")
    done = setup(daemon, "--yes", "--budget", "5", "--key", "openai=-", stdin=f"{CANARY}\n")
    assert done.returncode == 1
    assert f"{later}:2: ledger.retention_days" in " ".join(done.stderr.split())
    assert "Nothing was written." in done.stderr
    assert files_of(daemon) == []
    assert not (daemon.folder / "keys").exists()


def test_a_paid_request_is_never_sent_without_a_person(
    make_daemon: MakeDaemon, sit_down: Callable[..., Person], world: World
) -> None:
    paid = {"upstreams": world.settings()["upstreams"], "prices": world.settings()["prices"]}
    paid["upstreams"] = {"paid": paid["upstreams"]["paid"]}
    daemon = make_daemon({**paid, "models": {"chat": {"route": ["paid/gpt-4o-mini"]}}}, alone=True).start()
    bills = world.bills()
    done = setup(daemon, "--yes")
    assert done.returncode == 0, done.stderr
    assert "what costs is for a person to say" in " ".join(done.stderr.split())
    person = sit_down(daemon)
    person.answer("Address of an Ollama server (Enter: go on without one):", "")
    person.answer("(names, Enter: none)?", "")
    person.answer("in which time zone?", "")
    person.answer("Send it? [y/N]", "")
    assert person.end() == 0
    assert world.bills() == bills


def test_without_a_terminal_it_says_which_options_there_are(make_daemon: MakeDaemon, bare: Mapping[str, Any]) -> None:
    daemon = make_daemon(bare, alone=True)
    done = setup(daemon)
    assert done.returncode == 2
    assert "--yes" in done.stderr
    assert "--ollama URL" in done.stderr
    checked = setup(daemon, "--check", "--json")
    assert checked.returncode == 1
    report = json.loads(checked.stdout)["data"]
    assert not report["ok"]
    assert {step["name"]: step["state"] for step in report["steps"]}["daemon"] == "missing"
    dry = setup(daemon, "--dry-run", "--budget", "5", "--key", "openai=-", stdin=f"{CANARY}\n")
    assert dry.returncode == 0
    assert "usd = 5.0" in dry.stdout
    assert files_of(daemon) == []
