"""The real Claude Code, with every call through the house: it talks, reads a file and writes one."""

import json
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.clients.conftest import MODELS
from tests.fakes.ports import free_port
from tests.fakes.process import QUIET, Daemon, World, get, overlay, simulated

ROOT = Path(__file__).parents[2]
PACKAGES = ROOT / ".node-claude-code" / "node_modules" / "@anthropic-ai"
PROGRAMS = sorted(PACKAGES.glob("claude-code-linux-*/claude"), key=lambda path: len(path.parent.name))
FILE = "greeting.py"
BEFORE = 'print("Hello, Ada!")\n'
AFTER = 'print("Good evening, Ada!")\n'
ROOMY = {"upstreams": {"gpu": {"options": {"num_ctx": 65536}}}, "models": MODELS}
"""What it sends with a first word is some twelve thousand tokens."""

NEEDED = pytest.mark.skipif(
    not PROGRAMS, reason="CLAUDE CODE IS NOT INSTALLED, SO IT WAS NOT TRIED: `make clients-env` installs it"
)
pytestmark = NEEDED


@pytest.fixture(scope="module")
def own() -> Iterator[World]:
    """Simulators of its own: what they bill is looked at by whoever has a daemon in front of them."""
    with simulated() as world:
        yield world


@pytest.fixture(scope="module")
def roomy(own: World, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Daemon]:
    """A daemon whose local models have room for what Claude Code says."""
    daemon = Daemon(tmp_path_factory.mktemp("claude"), overlay(overlay(own.settings(), QUIET), ROOMY))
    try:
        yield daemon.start()
        daemon.verify()
        assert sum(row["cost_nano_usd"] for row in daemon.rows(1000)) == own.billed_nano_usd()
    finally:
        daemon.end()


@pytest.fixture
def work(tmp_path: Path) -> Path:
    """A folder with one file in it."""
    folder = tmp_path / "work"
    folder.mkdir()
    (folder / FILE).write_text(BEFORE)
    return folder


def environ(daemon: Daemon, home: Path) -> dict[str, str]:
    """A home of its own, and no way out: whatever is not on this machine is refused at once."""
    return {
        "HOME": str(home),
        "PATH": os.environ["PATH"],
        "ANTHROPIC_BASE_URL": f"http://127.0.0.1:{daemon.port}",
        "ANTHROPIC_AUTH_TOKEN": "none",
        "CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC": "1",
        "DISABLE_TELEMETRY": "1",
        "HTTPS_PROXY": f"http://127.0.0.1:{free_port()}",
        "NO_PROXY": "127.0.0.1",
    }


def run(daemon: Daemon, work: Path, model: str, text: str, *more: str) -> tuple[int, dict[str, Any]]:
    """Ask once, without a terminal. What it returned, and what it says of how it went."""
    command = [str(PROGRAMS[0]), "-p", text, "--model", model, "--output-format", "json", *more]
    done = subprocess.run(
        command,
        cwd=work,
        env=environ(daemon, work.parent),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    return done.returncode, json.loads(done.stdout)


def shows(feature: str, upstream: str) -> pytest.MarkDecorator:
    """A cell of docs/compatibility.md."""
    return pytest.mark.proves(dialect="anthropic", client="Claude Code", feature=feature, upstream=upstream)


def say(world: World, *answers: Any) -> None:
    """The paid provider's next answers."""
    told = get(world.openai_port, "/__sim/answers", "POST", {"answers": answers})
    assert told.status == 200, told.body


def call(name: str, **arguments: Any) -> dict[str, Any]:
    return {"calls": [{"name": name, "arguments": arguments}]}


@pytest.mark.parametrize(
    ("model", "simulated"),
    [
        pytest.param("local-llama", "llama3.1:8b", marks=[shows("stream", "ollama"), shows("usage", "ollama")]),
        pytest.param("gpt-4o-mini", "gpt-4o-mini", marks=[shows("stream", "openai"), shows("usage", "openai")]),
    ],
)
def test_it_gets_an_answer(roomy: Daemon, work: Path, model: str, simulated: str) -> None:
    before = len(roomy.rows(1000))
    code, told = run(roomy, work, model, "hello")
    assert (code, told["is_error"]) == (0, False)
    assert f"[simulated {simulated}]" in told["result"]
    (row,) = roomy.rows(1000)[before:]
    assert (row["client"], row["session"], row["outcome"]) == ("claude-code", told["session_id"], "ok")
    usage = told["usage"]
    counted = usage["input_tokens"] + usage["cache_read_input_tokens"] + usage["cache_creation_input_tokens"]
    assert (counted, usage["output_tokens"]) == (row["prompt_tokens"], row["completion_tokens"])


@shows("tools-stream", "openai")
def test_it_reads_a_file_and_writes_it(roomy: Daemon, own: World, work: Path) -> None:
    file = str(work / FILE)
    before = len(roomy.rows(1000))
    edit = call("Edit", file_path=file, old_string="Hello", new_string="Good evening")
    say(own, call("Read", file_path=file), edit, "It is done.")
    code, told = run(
        roomy,
        work,
        "gpt-4o-mini",
        "Change the greeting.",
        "--allowedTools",
        "Read,Edit",
        "--permission-mode",
        "acceptEdits",
    )
    assert (code, told["result"], told["num_turns"]) == (0, "It is done.", 3)
    assert (work / FILE).read_text() == AFTER
    rows = roomy.rows(1000)[before:]
    assert [row["outcome"] for row in rows] == ["ok"] * 3
    assert {row["session"] for row in rows} == {told["session_id"]}


def test_it_knows_a_prompt_that_is_too_long(house: Daemon, work: Path) -> None:
    """A model with 4,096 tokens has no room even for its first word."""
    code, told = run(house, work, "local-llama", "hello")
    assert (code, told["is_error"], told["terminal_reason"]) == (1, True, "prompt_too_long")
    assert told["result"].startswith("Prompt is too long")


def test_it_gives_up_a_model_that_is_not_there(roomy: Daemon, work: Path) -> None:
    before = len(roomy.rows(1000))
    code, told = run(roomy, work, "nobody", "hello")
    assert (code, told["is_error"], told["api_error_status"]) == (1, True, 404)
    asked = [row["outcome"] for row in roomy.rows(1000)[before:]]
    assert (set(asked), len(asked) <= 2) == ({"model_not_found"}, True)
