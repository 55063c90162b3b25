"""The real Aider with the files of `lodestarctl aider`: our prices on its cost line, our labels on its calls."""

import json
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.clients.test_aider import AIDER, BEFORE, FILE, LINE, environ, git, scratch
from tests.fakes.process import Daemon

__all__ = ["scratch"]

pytestmark = pytest.mark.skipif(
    not AIDER.exists(), reason=f"AIDER IS NOT INSTALLED, SO IT WAS NOT TRIED: `make aider-env` makes {AIDER}"
)


def run_aider(repo: Path, message: str, *words: str) -> str:
    """Aider with nothing but what is in its files."""
    command = [str(AIDER), "--yes-always", "--no-check-update", "--no-analytics", "--no-pretty", "--no-gitignore"]
    done = subprocess.run(
        [*command, *words, "--message", message, FILE],
        cwd=repo,
        env=environ(repo.parent),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=90,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


def rows_of(house: Daemon, project: str) -> list[dict[str, Any]]:
    return [row for row in house.rows(1000) if row["project"] == project]


@pytest.mark.proves(dialect="openai", client="Aider", feature="stream", upstream="openai")
def test_aider_reads_the_files_and_shows_our_price(house: Daemon, scratch: Path) -> None:
    words = ("--project", "greeter", "--model", "gpt-4o-mini", "--weak", "gpt-3.5-turbo")
    written = house.ctl("aider", "--write", "--folder", str(scratch), *words)
    assert written.returncode == 0, written.stderr
    said = run_aider(scratch, f"Add `{LINE}` to the end of {FILE}")
    assert (scratch / FILE).read_text() == f"{BEFORE}{LINE}\n", said
    assert len(git(scratch, "log", "--format=%s").splitlines()) == 2, said
    edit, commit = rows_of(house, "greeter")
    assert (edit["alias"], commit["alias"]) == ("gpt-4o-mini", "gpt-3.5-turbo")
    assert {edit["client"], commit["client"]} == {"aider"}
    assert edit["session"] == commit["session"]
    assert edit["session"].startswith("aider-")
    assert edit["cost_nano_usd"] > 0
    tokens = re.search(r"Tokens: ([\d.]+)(k?) sent, ([\d.]+)(k?) received\. Cost: \$([\d.]+) message", said)
    assert tokens is not None, said
    sent = float(tokens[1]) * (1000 if tokens[2] else 1)
    received = float(tokens[3]) * (1000 if tokens[4] else 1)
    metadata = json.loads((scratch / ".aider.model.metadata.json").read_text())["openai/gpt-4o-mini"]
    expected = sent * metadata["input_cost_per_token"] + received * metadata["output_cost_per_token"]
    assert float(tokens[5]) == pytest.approx(expected, rel=0.1)
    report = house.ctl_json("session", "show", edit["session"])
    assert {part["name"]: part["requests"] for part in report["tasks"]} == {"edit": 1, "commit": 1}
    assert report["session"]["switches"] == 1


def test_a_free_model_edits_whole_files_and_shows_tokens_only(house: Daemon, scratch: Path) -> None:
    words = ("aider", "--write", "--folder", str(scratch), "--project", "freely", "--model", "gpt-3.5-turbo")
    assert house.ctl(*words).returncode == 0
    said = run_aider(scratch, f"Add `{LINE}` to the end of {FILE} for free")
    assert (scratch / FILE).read_text() == f"{BEFORE}{LINE}\n", said
    assert "Model: openai/gpt-3.5-turbo with whole edit format" in said
    assert "Tokens:" in said
    assert "Cost:" not in said
    assert {row["alias"] for row in rows_of(house, "freely")} == {"gpt-3.5-turbo"}
