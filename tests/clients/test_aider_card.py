"""The real Aider in architect mode before a card that holds one model: two models swap, and the edit applies."""

import re
import subprocess
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from openai import OpenAI

from tests.clients.test_aider import AIDER, BEFORE, FILE, environ, git, scratch
from tests.fakes.process import QUIET, Daemon, overlay, run_simulator

__all__ = ["scratch"]

LLAMA, CODER = "llama3.1:8b", "deepseek-coder:6.7b"
needs_aider = pytest.mark.skipif(
    not AIDER.exists(), reason=f"AIDER IS NOT INSTALLED, SO IT WAS NOT TRIED: `make aider-env` makes {AIDER}"
)


def settings(port: int) -> dict[str, Any]:
    upstream = {
        "dialect": "ollama",
        "url": f"http://127.0.0.1:{port}",
        "free": True,
        "keep_alive": "30m",
        "options": {"num_ctx": 16384},
    }
    models = {"local-llama": {"route": [f"t600/{LLAMA}"]}, "gpt-3.5-turbo": {"route": [f"t600/{CODER}"]}}
    server = {"early_head_s": 0.1, "keep_alive_comment_s": 0.2}
    return overlay(
        {"upstreams": {"t600": upstream}, "models": models, "residency": {"predict": False}, "server": server}, QUIET
    )


@pytest.fixture(scope="module")
def card_house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Daemon]:
    """A daemon before a simulated card that takes its time to load and to answer."""
    with run_simulator("--profile", "demo", "--ollama-port", "0") as (port,):
        daemon = Daemon(tmp_path_factory.mktemp("card"), settings(port))
        try:
            yield daemon.start()
            daemon.verify()
            assert "Traceback" not in daemon.log
        finally:
            daemon.end()


@pytest.fixture
def cold(card_house: Daemon) -> Daemon:
    """The same, with nothing in memory."""
    for model in (LLAMA, CODER):
        card_house.ctl("unload", model)
    return card_house


def swaps_of(daemon: Daemon) -> int:
    (host,) = daemon.ctl_json("gpu")["hosts"]
    assert host["counts"]["unplanned"] == 0
    return int(host["counts"]["swaps"])


def run_architect(repo: Path, message: str) -> str:
    """Aider as ``lodestarctl aider`` has set it up, its editor another local model."""
    command = [str(AIDER), "--architect", "--editor-model", "openai/gpt-3.5-turbo", "--auto-accept-architect"]
    command += ["--yes-always", "--no-check-update", "--no-show-model-warnings", "--no-analytics", "--no-pretty"]
    command += ["--no-gitignore", "--message", message, FILE]
    done = subprocess.run(
        command,
        cwd=repo,
        env=environ(repo.parent),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


@needs_aider
@pytest.mark.parametrize("tell", [False, True], ids=["silent", "told"])
def test_architect_and_editor_take_turns_on_the_card(cold: Daemon, scratch: Path, tell: bool) -> None:
    words = ("--project", f"architect-{tell}", "--model", "local-llama", *(["--tell-waiting"] if tell else []))
    written = cold.ctl("aider", "--write", "--folder", str(scratch), *words)
    assert written.returncode == 0, written.stderr
    before, swaps = len(cold.rows(1000)), swaps_of(cold)
    line = f'print(greet("{"Grace" if tell else "Ada"}"))'  # what was asked before comes from the cache
    said = run_architect(scratch, f"Add `{line}` to the end of {FILE}")
    assert (scratch / FILE).read_text() == f"{BEFORE}{line}\n", said
    assert git(scratch, "status", "--porcelain", "--untracked-files=no") == "", said

    rows = cold.rows(1000)[before:]
    assert {row["outcome"] for row in rows} == {"ok"}, rows
    models = [row["target"] for row in rows]
    assert models[:2] == [f"t600/{LLAMA}", f"t600/{CODER}"]
    assert swaps_of(cold) - swaps == sum(one != other for one, other in pairwise(models)), models

    told = cold.ctl("explain", rows[1]["request_id"]).stdout
    assert re.search(rf"a swap from {re.escape(LLAMA)} to {re.escape(CODER)} took \d\.\d s", told), told
    thinking = re.findall(rf"loading (?:{re.escape(LLAMA)}|{re.escape(CODER)})", said)
    assert bool(thinking) is tell, said
    assert ("THINKING" in said) is tell, said


def test_comments_while_a_model_is_loaded_disturb_nobody(cold: Daemon) -> None:
    """OpenAI's SDK, streaming, while nothing but keep-alive comments comes for more than a second."""
    with OpenAI(base_url=f"http://127.0.0.1:{cold.port}/v1", api_key="none", max_retries=0, timeout=30) as client:
        for model, other in (("local-llama", LLAMA), ("gpt-3.5-turbo", CODER)):
            stream = client.chat.completions.create(
                model=model, messages=[{"role": "user", "content": "Hello from the SDK"}], stream=True
            )
            chunks = list(stream)
            text = "".join(choice.delta.content or "" for chunk in chunks for choice in chunk.choices)
            assert text.startswith(f"[simulated {other}]"), text
            ends = [choice.finish_reason for chunk in chunks for choice in chunk.choices if choice.finish_reason]
            assert ends == ["stop"]


def test_they_did_come(cold: Daemon) -> None:
    """What the SDK does not show: comments, then the answer."""
    body = cold.stream("local-llama", "what comes first?").rest().body
    comments, _, answer = body.partition(b"data: ")
    assert comments.count(b": keep-alive\n\n") >= 3, body[:500]
    assert b"[DONE]" in answer
