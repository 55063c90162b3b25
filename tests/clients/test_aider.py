"""The real Aider edits a file and commits it, with every call through the house."""

import os
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.fakes.ports import free_port
from tests.fakes.process import Daemon

AIDER = Path(__file__).parents[2] / ".venv-aider" / "bin" / "aider"
FILE = "greeting.py"
BEFORE = 'def greet(name: str) -> str:\n    return f"Hello, {name}!"\n'
LINE = 'print(greet("Ada"))'

pytestmark = pytest.mark.skipif(
    not AIDER.exists(), reason=f"AIDER IS NOT INSTALLED, SO IT WAS NOT TRIED: `make aider-env` makes {AIDER}"
)


def environ(home: Path) -> dict[str, str]:
    """A home of its own, and no way out: whatever is not on this machine is refused at once."""
    return {
        "HOME": str(home),
        "PATH": os.environ["PATH"],
        "LITELLM_LOCAL_MODEL_COST_MAP": "True",
        "HTTPS_PROXY": f"http://127.0.0.1:{free_port()}",
        "NO_PROXY": "127.0.0.1",
        "GIT_AUTHOR_NAME": "Ada",
        "GIT_AUTHOR_EMAIL": "ada@example.com",
        "GIT_COMMITTER_NAME": "Ada",
        "GIT_COMMITTER_EMAIL": "ada@example.com",
        "GIT_CONFIG_GLOBAL": os.devnull,
        "PYTHONUNBUFFERED": "1",
        "TERM": "dumb",
        "AIDER_MAP_TOKENS": "0",  # it takes most of a second to draw, of one file
    }


@pytest.fixture
def scratch(tmp_path: Path) -> Path:
    """A git repository with one file in it."""
    repo = tmp_path / "repo"
    repo.mkdir()
    (repo / FILE).write_text(BEFORE)
    for command in (["init", "-q", "-b", "main"], ["add", FILE], ["commit", "-q", "-m", "Begin"]):
        git(repo, *command)
    return repo


def git(repo: Path, *words: str) -> str:
    done = subprocess.run(
        ["git", *words], cwd=repo, env=environ(repo.parent), capture_output=True, text=True, check=True
    )
    return done.stdout


@pytest.mark.proves(dialect="openai", client="Aider", feature="stream", upstream="ollama")
@pytest.mark.parametrize(
    ("edit_format", "key", "project", "session"),
    [("whole", "none", "", ""), ("diff", "lodestar:keyed:review", "keyed", "review")],
    ids=["whole", "diff, labelled by the key"],
)
def test_aider_edits_a_file_and_commits_it(
    house: Daemon, base_url: str, scratch: Path, edit_format: str, key: str, project: str, session: str
) -> None:
    """Without any of our files; the key alone labels requests too."""
    before = len(house.rows(1000))
    said = run_aider(scratch, base_url, edit_format, key, f"Add `{LINE}` to the end of {FILE} ({edit_format})")
    assert (scratch / FILE).read_text() == f"{BEFORE}{LINE}\n", said
    assert git(scratch, "status", "--porcelain", "--untracked-files=no") == ""
    assert len(git(scratch, "log", "--format=%s").splitlines()) == 2, said
    edit, commit = calls_since(house, before)
    assert (edit["client"], commit["client"]) == ("aider", "aider")
    assert {edit["alias"], commit["alias"]} == {"gpt-3.5-turbo"}
    assert {edit["outcome"], commit["outcome"]} == {"ok"}
    assert {edit["target"], commit["target"]} == {"gpu/deepseek-coder:6.7b"}
    assert edit["cost_nano_usd"] == commit["cost_nano_usd"] == 0
    if project:
        assert {edit["project"], commit["project"]} == {project}
        assert {edit["session"], commit["session"]} == {session}


def run_aider(repo: Path, base_url: str, edit_format: str, key: str, message: str) -> str:
    command = [str(AIDER), "--model", "openai/gpt-3.5-turbo", "--weak-model", "openai/gpt-3.5-turbo"]
    command += ["--openai-api-base", base_url, "--openai-api-key", key, "--edit-format", edit_format]
    command += ["--yes-always", "--no-check-update", "--no-show-model-warnings", "--no-analytics", "--no-pretty"]
    command += ["--no-gitignore", "--map-tokens", "1024", "--message", message, FILE]
    done = subprocess.run(
        command,
        cwd=repo,
        env=environ(repo.parent),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


def calls_since(house: Daemon, count: int) -> list[dict[str, Any]]:
    return house.rows(1000)[count:]
