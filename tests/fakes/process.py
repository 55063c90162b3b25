"""Real processes on loopback: the simulator's upstreams, ``lodestard`` in a folder of its own, ``lodestarctl``.

Law: everything is on 127.0.0.1 and in a temporary folder; whoever starts a process ends it. Waiting is polling up to
a deadline, never a sleep that hopes.
"""

import http.client
import io
import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol, TypeVar

import msgspec

from lodestarctl import cli
from lodestarctl.output import Output
from lodestarctl.parser import main_parser
from lodestarctl.session import Session
from lodestard.control.client import ControlClient
from lodestard.panel import LEDGER_FILE, verify_file
from tests.fakes import canaries
from tests.fakes.ports import free_port

T = TypeVar("T")
PATIENCE_S = 30.0
POLL_S = 0.01
SETTLED_S = 0.5
"""How long a look at the ledger waits for what ends just now; what is under way longer is shown as it is."""

KEY_VARIABLE = "LODESTAR_TEST_KEY"
KEY = canaries.PROCESS_KEY
SENT_ALONG: dict[str, str] = {}
"""Fields that every request has."""
CHAT = "/v1/chat/completions"
PAID_MODEL = "gpt-4o-mini"
_HANDED_DOWN = ("NOTIFY_SOCKET", "JOURNAL_STREAM", "WATCHDOG_", "LISTEN_", "LODESTAR_", "XDG_", "CREDENTIALS_")

Overlay = Mapping[str, Any]
QUIET: Overlay = {"modules": {"health": {"interval_s": 3600.0}}}
"""One probe at the start and no more, so that an upstream's faults meet requests alone."""


def wait_for(look: Callable[[], T], what: str, *, patience_s: float = PATIENCE_S) -> T:
    """The first truth that ``look`` tells; connections that are refused are not the truth yet."""
    deadline_s = time.monotonic() + patience_s
    while time.monotonic() < deadline_s:
        with suppress(OSError, http.client.HTTPException):
            if seen := look():
                return seen
        time.sleep(POLL_S)
    raise AssertionError(f"waited {patience_s:g} s in vain: {what}")


def environ(folder: Path, more: Mapping[str, str] | None = None, *, coverage: bool = True) -> dict[str, str]:
    """This process's environment without what a service manager handed down, at home in ``folder``."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(_HANDED_DOWN)}
    if not coverage:
        kept = {name: value for name, value in kept.items() if not name.startswith("COVERAGE")}
    return (
        kept | {"HOME": str(folder), KEY_VARIABLE: KEY, "PYTHONUNBUFFERED": "1", "NO_COLOR": "1"} | dict(more or {})
    )


# -- what a client sees ------------------------------------------------------------------------------------------


@dataclass
class Answer:
    """One answer. ``whole`` is False where it was cut before its end."""

    status: int
    headers: dict[str, str]
    body: bytes = b""
    whole: bool = True

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def text(self) -> str:
        """What the model said, streamed or not."""
        if not self.headers["content-type"].startswith("text/event-stream"):
            return str(self.json["choices"][0]["message"]["content"])
        deltas = (event["choices"][0]["delta"] for event in self.events if event.get("choices"))
        return "".join(delta.get("content") or "" for delta in deltas)

    @property
    def events(self) -> list[Any]:
        data = [line[6:] for line in self.body.split(b"\n") if line.startswith(b"data: ")]
        return [json.loads(each) for each in data if each != b"[DONE]"]

    @property
    def done(self) -> bool:
        """Whether a stream said that it was at its end."""
        return b"data: [DONE]" in self.body

    @property
    def request_id(self) -> str:
        return self.headers["x-lodestar-request-id"]


class Stream:
    """A streamed answer under way on a connection of its own."""

    def __init__(self, connection: http.client.HTTPConnection) -> None:
        self._connection = connection
        self._response = connection.getresponse()
        headers = {name.lower(): value for name, value in self._response.getheaders()}
        self.answer = Answer(self._response.status, headers, whole=False)

    def read_some(self) -> bool:
        """One more piece; False at the end, however it came."""
        try:
            data = self._response.read1(65536)
        except (http.client.IncompleteRead, ConnectionError):
            return False
        canaries.require_none(data, "an answer")
        self.answer.body += data
        self.answer.whole = not data
        return bool(data)

    def wait_text(self) -> None:
        """Read until something of the answer's text is there."""
        while not self.answer.text:
            assert self.read_some(), self.answer

    def rest(self) -> Answer:
        while self.read_some():
            pass
        self._connection.close()
        return self.answer

    def leave(self) -> None:
        """Close the connection in the midst of it."""
        self._response.close()
        self._connection.close()


def question(model: str, text: str = "hello", **members: Any) -> dict[str, Any]:
    return {"model": model, "messages": [{"role": "user", "content": text}], **members}


def connect(port: int) -> http.client.HTTPConnection:
    return http.client.HTTPConnection("127.0.0.1", port, timeout=PATIENCE_S)


def get(
    port: int, path: str, method: str = "GET", body: Any = None, headers: Mapping[str, str] | None = None
) -> Answer:
    """One request on a connection of its own."""
    connection = connect(port)
    try:
        data = None if body is None else json.dumps(body).encode()
        fields = {**SENT_ALONG, **({"content-type": "application/json"} if data else {}), **(headers or {})}
        connection.request(method, path, data, fields)
        response = connection.getresponse()
        told = {name.lower(): value for name, value in response.getheaders()}
        answer = Answer(response.status, told, response.read())
        canaries.require_none(answer.body + str(told).encode(), f"the answer to {method} {path}")
        return answer
    finally:
        connection.close()


# -- upstreams ---------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class World:
    """The simulators: a free Ollama server, a paid provider of OpenAI's shape, and a slow one of the same kind."""

    ollama_port: int
    openai_port: int
    slow_port: int

    def billed_nano_usd(self) -> int:
        """What the providers have billed, by their own meters."""
        return self._metered("nano_usd")

    def bills(self) -> int:
        """How many requests they have billed."""
        return self._metered("billed")

    def _metered(self, member: str) -> int:
        return sum(int(get(port, "/__sim/meter").json[member]) for port in (self.openai_port, self.slow_port))

    def answer_next(self, *texts: str) -> None:
        """The provider's next answers, word for word."""
        get(self.openai_port, "/__sim/answers", "POST", {"answers": list(texts)})

    def settings(self) -> dict[str, Any]:
        """A configuration's upstreams, models and prices: one free, and the provider once for each of its moods."""
        moods = {"paid": "", "slow": "", "stuck": "stall=900", "cut": "cut=2200"}
        moods |= {"busy": "status=429;retry-after=7", "broken": "status=500"}
        upstreams: dict[str, Any] = {name: self._paid(name, fault) for name, fault in moods.items()}
        upstreams["gpu"] = {"dialect": "ollama", "url": f"http://127.0.0.1:{self.ollama_port}", "free": True}
        price = {"input": "0.15", "output": "0.60", "cache_read": "0.075", "max_output_tokens": 16384}
        models = {name: {"route": [f"{name}/{PAID_MODEL}"]} for name in moods}
        models["auto"] = {"route": ["gpu/llama3.1:8b"]}
        models["fallback"] = {"route": [f"broken/{PAID_MODEL}", "gpu/llama3.1:8b"]}
        return {"upstreams": upstreams, "models": models, "prices": {f"{name}/{PAID_MODEL}": price for name in moods}}

    def _paid(self, name: str, fault: str) -> dict[str, Any]:
        url = f"http://127.0.0.1:{self.slow_port if name == 'slow' else self.openai_port}/v1"
        headers = {"x-sim-fault": fault} if fault else {}
        made = {"dialect": "openai", "url": url, "key": {"env": KEY_VARIABLE}, "headers": headers}
        return {**made, "limit_wait_s": 0.0} if name == "busy" else made  # so that its refusals come at once


@contextmanager
def simulated() -> Iterator[World]:
    """The simulators as processes of their own."""
    with (
        run_simulator("--profile", "instant", "--ollama-port", "0", "--openai-port", "0") as (ollama, openai),
        run_simulator("--profile", "demo", "--openai-port", "0") as (slow,),
    ):
        yield World(ollama, openai, slow)


@contextmanager
def run_simulator(*arguments: str) -> Iterator[list[int]]:
    """The simulator as a process, with its own arguments; its ports, in the order of its own list."""
    command = [sys.executable, "-m", "lodestard.simulator", *arguments]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    try:
        lines = [process.stdout.readline() for argument in arguments if argument.endswith("-port")]
        yield [int(line.rsplit(":", 1)[1]) for line in lines]
    finally:
        _end(process)
        process.stdout.close()


def _end(process: subprocess.Popen[Any], patience_s: float = PATIENCE_S) -> None:
    """SIGTERM, and SIGKILL to one that does not heed it."""
    if process.poll() is None:
        process.terminate()
        try:
            process.wait(patience_s)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


# -- the daemon --------------------------------------------------------------------------------------------------


def run_ctl(*words: str) -> tuple[int, str, str]:
    """``lodestarctl`` in this process, with its way of reading words and of telling what went wrong: its exit status
    and what it writes. Nothing that belongs to the whole process is touched, so threads may do it too.
    """
    run, args = cli._choose(main_parser().parse_args(words))
    out, error = io.StringIO(), io.StringIO()
    session = Session(args, ControlClient(args.socket), Output(out, error, json=args.json), io.StringIO())
    return cli._guarded(run, session), out.getvalue(), error.getvalue()


def toml(value: Any) -> str:
    """A value as TOML, tables inline."""
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{json.dumps(name)} = {toml(each)}" for name, each in value.items()) + "}"
    if isinstance(value, list | tuple):
        return "[" + ", ".join(map(toml, value)) + "]"
    return json.dumps(value)


def overlay(base: Mapping[str, Any], more: Overlay) -> dict[str, Any]:
    """``more`` laid over ``base``, table by table."""
    merged = dict(base)
    for name, value in more.items():
        known = merged.get(name)
        merged[name] = overlay(known, value) if isinstance(known, Mapping) and isinstance(value, Mapping) else value
    return merged


@dataclass
class Daemon:
    """One ``lodestard``: its folder, its configuration, and its process while it runs."""

    folder: Path
    settings: dict[str, Any]
    port: int = field(default_factory=free_port)
    process: subprocess.Popen[bytes] | None = None
    package_folder: Path | None = None
    streams: list[Stream] = field(default_factory=list)

    def __post_init__(self) -> None:
        places = {"state_dir": str(self.state_dir), "control": {"socket": str(self.socket)}}
        server = {"listen": [f"127.0.0.1:{self.port}"], "drain_s": 10.0}
        self.settings = overlay(overlay(places, {"server": server}), self.settings)
        self.write()

    @property
    def config(self) -> Path:
        return self.folder / "lodestard.toml"

    @property
    def state_dir(self) -> Path:
        return self.folder / "state"

    @property
    def socket(self) -> Path:
        return self.folder / "control.sock"

    @property
    def log_file(self) -> Path:
        return self.folder / "log.txt"

    @property
    def log(self) -> str:
        return self.log_file.read_text(errors="replace") if self.log_file.exists() else ""

    def write(self, more: Overlay | None = None) -> None:
        """Write the configuration, with ``more`` laid over it from now on."""
        self.settings = overlay(self.settings, more or {})
        self.config.write_text("".join(f"{name} = {toml(value)}\n" for name, value in self.settings.items()))

    def command(self, *arguments: str) -> list[str]:
        return [sys.executable, "-m", "lodestard", "--config", str(self.config), *arguments]

    def spawn(
        self,
        *,
        wrap: Sequence[str] = (),
        pass_fds: Sequence[int] = (),
        env: Mapping[str, str] | None = None,
        stderr: int | None = None,
    ) -> None:
        """Start the process and go on. ``wrap`` is what executes the command that follows it; ``stderr`` in place of
        the log.
        """
        with self.log_file.open("ab") as log:
            self.process = subprocess.Popen(
                [*wrap, *self.command()],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log if stderr is None else stderr,
                env=dict(env or environ(self.folder)),
                pass_fds=pass_fds,
                cwd=self.package_folder,
            )

    def start(self, **how: Any) -> "Daemon":
        """Start it and wait until it answers."""
        self.spawn(**how)
        wait_for(lambda: self._died() or self.answers(), "the daemon answers")
        assert self.running, self.log
        return self

    def _died(self) -> bool:
        return not self.running

    @property
    def running(self) -> bool:
        return self.process is not None and self.process.poll() is None

    def answers(self, path: str = "/health/live") -> bool:
        return get(self.port, path).status == http.client.OK

    def signal(self, number: int) -> None:
        assert self.process is not None
        self.process.send_signal(number)

    def wait(self, patience_s: float = PATIENCE_S) -> int:
        """The exit status, negative for a signal."""
        assert self.process is not None
        return self.process.wait(patience_s)

    def stop(self) -> int:
        """SIGTERM, and its exit status."""
        self.signal(signal.SIGTERM)
        return self.wait()

    def kill(self) -> None:
        """SIGKILL: no goodbye of any kind."""
        self.signal(signal.SIGKILL)
        self.wait()

    def end(self) -> None:
        for stream in self.streams:
            stream.leave()
        if self.process is not None:
            _end(self.process)

    # -- asking it -----------------------------------------------------------------------------------------------

    def get(self, path: str) -> Answer:
        return get(self.port, path)

    def ask(self, model: str, text: str = "hello", **members: Any) -> Answer:
        """A plain chat completion."""
        return get(self.port, CHAT, "POST", question(model, text, **members))

    def stream(self, model: str, text: str = "hello", **members: Any) -> Stream:
        """A streamed chat completion, as soon as its head is there."""
        connection = connect(self.port)
        body = json.dumps(question(model, text, stream=True, **members)).encode()
        connection.request("POST", CHAT, body, {**SENT_ALONG, "content-type": "application/json"})
        self.streams.append(Stream(connection))
        return self.streams[-1]

    def ctl(self, *words: str, stdin: str | None = None) -> subprocess.CompletedProcess[str]:
        """``lodestarctl`` against this daemon."""
        return subprocess.run(
            [sys.executable, "-m", "lodestarctl", "--socket", str(self.socket), *words],
            capture_output=True,
            text=True,
            input=stdin or "",
            env=environ(self.folder),
            timeout=PATIENCE_S,
            check=False,
            cwd=self.package_folder,
        )

    def ctl_json(self, *words: str) -> Any:
        """The data of ``lodestarctl --json``, which must succeed. Tests look often, and its start is most of what a
        look costs: it is run in this process, but where the daemon has sources of its own.
        """
        if self.package_folder is None:
            status, out, error = run_ctl("--socket", str(self.socket), "--json", *words)
        else:
            done = self.ctl("--json", *words)
            status, out, error = done.returncode, done.stdout, done.stderr
        assert status == 0, (words, out, error)
        return json.loads(out)["data"]

    def run(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """``lodestard`` with this configuration and these arguments, until it ends."""
        return subprocess.run(
            self.command(*arguments),
            capture_output=True,
            text=True,
            env=environ(self.folder),
            timeout=PATIENCE_S,
            check=False,
            cwd=self.package_folder,
        )

    def verify(self) -> Any:
        """What ``lodestard --verify-ledger`` finds; it must add up. Its start is dear: as with ``ctl_json``."""
        if self.package_folder is None:
            report = verify_file(self.state_dir / LEDGER_FILE)
            assert report.ok, (report, self.log[-4000:])
            return msgspec.to_builtins(report)
        done = self.run("--verify-ledger", "--json")
        assert done.returncode == 0, (done.stdout, done.stderr, self.log[-4000:])
        return json.loads(done.stdout)["data"]

    def rows(self, count: int = 100) -> list[dict[str, Any]]:
        """The ledger's latest requests, oldest first. One that ends just now, as one does whose answer has come, is
        waited for: whoever asks has seen the answer's last byte before the ledger has.
        """
        deadline_s = time.monotonic() + SETTLED_S
        while True:
            rows = list(self.ctl_json("requests", "-n", str(count))["requests"])
            if all(row["outcome"] for row in rows) or time.monotonic() > deadline_s:
                return rows
            time.sleep(POLL_S)

    def wait_idle(self) -> None:
        """Until no request is under way and nothing is held."""
        wait_for(lambda: self.ctl_json("costs")["total"]["held_nano_usd"] == 0, "nothing is held any more")

    def wait_log(self, pattern: str) -> str:
        """The first log line that matches."""
        return wait_for(lambda: self._find_line(pattern), f"{pattern!r} in the log")

    def _find_line(self, pattern: str) -> str:
        return next((line for line in self.log.splitlines() if re.search(pattern, line)), "")


class MakeDaemon(Protocol):
    """Makes a daemon that is not started yet.

    ``alone``: with nothing but its places in its configuration. ``folder``: where it lives, if not among the tests'.
    """

    def __call__(self, more: Overlay | None = None, *, alone: bool = False, folder: Path | None = None) -> Daemon: ...
