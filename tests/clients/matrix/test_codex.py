"""The real Codex works in a folder, with every call through the house."""

import json
import os
import subprocess
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from tests.clients.matrix import asked, cells
from tests.clients.matrix.conftest import Ports, latest, say
from tests.fakes.ports import free_port
from tests.fakes.process import Daemon

CODEX = Path(__file__).parents[3] / ".node-codex" / "node_modules" / ".bin" / "codex"
PAID = [name for name in cells.UPSTREAMS if name != "ollama"]  # its prompt is more than a small card's context holds
NO_CUSTOM_CALLS = ("responses",)
"""Its simulator calls functions alone. Over the others Lodestar makes a custom tool's call of a function's."""

CONFIG = """
model_provider = "lodestar"
check_for_update_on_startup = false
hide_agent_reasoning = false
model_catalog_json = "{home}/models.json"

[analytics]
enabled = false

[model_providers.lodestar]
name = "Lodestar"
base_url = "{url}/v1"
wire_api = "responses"
env_key = "LODESTAR_CODEX_KEY"

request_max_retries = {retries}
stream_max_retries = {retries}
"""
PATCH = '*** Begin Patch\n*** Add File: patched.txt\n+a "patched" file\n*** End Patch\n'
COMMAND = "echo forty-two > made.txt && cat made.txt"

proves = partial(cells.proves, "responses", "Codex")
pytestmark = pytest.mark.skipif(
    not CODEX.exists(), reason=f"CODEX IS NOT INSTALLED, SO IT WAS NOT TRIED: `make clients-env` makes {CODEX}"
)


class Desk:
    """A Codex with a home and a folder of its own."""

    def __init__(self, folder: Path, url: str) -> None:
        self.url = url
        self.home = folder / "home"
        self.work = folder / "work"
        self.home.mkdir()
        self.work.mkdir()

    def run(self, model: str, prompt: str, *, retries: int = 0) -> subprocess.CompletedProcess[str]:
        """What ``codex exec`` says."""
        (self.home / "models.json").write_text(json.dumps({"models": [about(model)]}))
        (self.home / "config.toml").write_text(CONFIG.format(home=self.home, url=self.url, retries=retries))
        command = [str(CODEX), "exec", "--skip-git-repo-check", "--dangerously-bypass-approvals-and-sandbox"]
        return subprocess.run(
            [*command, "--model", model, prompt],
            cwd=self.work,
            env=self._environ(),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )

    def _environ(self) -> dict[str, str]:
        """No way out: whatever is not on this machine is refused at once."""
        nowhere = f"http://127.0.0.1:{free_port()}"
        return {
            "HOME": str(self.home),
            "CODEX_HOME": str(self.home),
            "PATH": os.environ["PATH"],
            "LODESTAR_CODEX_KEY": "none",
            "HTTPS_PROXY": nowhere,
            "HTTP_PROXY": nowhere,
            "NO_PROXY": "127.0.0.1",
            "GIT_CONFIG_GLOBAL": os.devnull,
            "TERM": "dumb",
        }


def about(model: str) -> dict[str, Any]:
    """What Codex wants to know of a model; this one edits files with a custom tool."""
    return {
        "slug": model,
        "display_name": model,
        "base_instructions": "You work in a folder.",
        "apply_patch_tool_type": "freeform",
        "supported_reasoning_levels": [],
        "shell_type": "unified_exec",
        "visibility": "list",
        "supported_in_api": True,
        "priority": 1,
        "support_verbosity": False,
        "truncation_policy": {"mode": "bytes", "limit": 10_000},
        "experimental_supported_tools": [],
    }


@pytest.fixture
def desk(tmp_path: Path, url: str) -> Desk:
    return Desk(tmp_path, url)


def call(name: str, **arguments: str) -> dict[str, Any]:
    return {"text": "Let me see.", "calls": [{"name": name, "arguments": arguments}]}


@proves("stream", PAID)
def test_an_answer(desk: Desk, everything: Daemon, ports: Ports, upstream: str) -> None:
    before = latest(everything)
    say(ports, upstream, "Hello, Codex.")
    done = desk.run(upstream, asked.HELLO)
    assert done.returncode == 0, done.stderr
    assert "Hello, Codex." in done.stdout
    everything.wait_idle()
    (row,) = [row for name, row in latest(everything).items() if name not in before]
    assert (row["client"], row["outcome"], row["alias"]) == ("codex", "ok", upstream)
    assert row["cost_nano_usd"] > 0


@proves("tools-stream", PAID)
def test_a_command_is_run_and_a_file_patched(desk: Desk, ports: Ports, upstream: str) -> None:
    done_text = {"text": "All is done."}
    patches = upstream not in NO_CUSTOM_CALLS
    edits = [call("apply_patch", input=PATCH)] * patches
    say(ports, upstream, call("exec_command", cmd=COMMAND), *edits, done_text)
    done = desk.run(upstream, "Make two files.")
    assert done.returncode == 0, done.stderr
    assert "All is done." in done.stdout
    assert (desk.work / "made.txt").read_text() == "forty-two\n", done.stderr
    if patches:
        assert (desk.work / "patched.txt").read_text() == 'a "patched" file\n', done.stderr


@proves("reasoning", ["xai"])
def test_what_the_model_thinks_is_shown(desk: Desk, ports: Ports, upstream: str) -> None:
    say(ports, upstream, {"text": "Yes.", "thinking": "Let me weigh this."})
    done = desk.run(upstream, "Is it so?")
    assert done.returncode == 0, done.stderr
    assert "Let me weigh this." in done.stderr + done.stdout


@proves("broken", PAID)
def test_an_answer_that_breaks_is_asked_again(desk: Desk, upstream: str) -> None:
    done = desk.run(f"{upstream}-cut", asked.HELLO, retries=1)
    assert done.returncode != 0
    assert done.stderr.count("Reconnecting... 1/1") == 1


@proves("error", PAID)
def test_a_model_that_is_not_there(desk: Desk, upstream: str) -> None:
    done = desk.run(f"{upstream}-none", asked.HELLO)
    assert done.returncode != 0
    assert f"{upstream}-none" in done.stderr
    assert "is not configured" in done.stderr
