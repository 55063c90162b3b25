"""The command-line program ``llm``, as its users type it, over every dialect of upstreams."""

import json
import os
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import pytest

from tests.clients.matrix import asked, cells
from tests.fakes.ports import free_port

proves = partial(cells.proves, "openai", "llm", upstreams=("ollama", "openai"))  # it takes seconds to start
LLM = Path(__file__).parents[3] / ".venv-llm" / "bin" / "llm"
TOOL = 'def get_weather(city: str) -> str:\n    "The weather of a city"\n    return f"{city} is sunny"\n'

pytestmark = pytest.mark.skipif(
    not LLM.exists(), reason="LLM IS NOT INSTALLED, SO IT WAS NOT TRIED: `make clients-env` installs it"
)


@dataclass(frozen=True)
class Shell:
    """Where ``llm`` is typed: a home with our models in it, and no way out."""

    home: Path

    def type(self, *words: str) -> str:
        """What it prints."""
        env = {
            "HOME": str(self.home),
            "LLM_USER_PATH": str(self.home),
            "PATH": os.environ["PATH"],
            "HTTPS_PROXY": f"http://127.0.0.1:{free_port()}",
            "NO_PROXY": "127.0.0.1",
        }
        done = subprocess.run([str(LLM), *words], env=env, capture_output=True, text=True, timeout=60, check=False)
        assert done.returncode == 0, (done.stdout, done.stderr)
        return done.stdout + done.stderr


@pytest.fixture
def shell(url: str, tmp_path: Path) -> Iterator[Shell]:
    abilities = "supports_tools: true\n  supports_schema: true\n  vision: true\n  api_key_name: none\n"
    names = [f"{upstream}{mood}" for upstream in cells.UPSTREAMS for mood in ("", "-eyes")]
    models = [
        f"- model_id: {name}\n  model_name: {name}\n  api_base: {url}/v1\n  {abilities}" for name in names
    ]  # YAML, as llm's documentation has it
    (tmp_path / "extra-openai-models.yaml").write_text("".join(models))
    (tmp_path / "keys.json").write_text('{"none": "none"}')
    yield Shell(tmp_path)


@proves("text")
def test_text(shell: Shell, upstream: str) -> None:
    assert asked.HELLO in shell.type("-m", upstream, "--no-stream", asked.HELLO)


@proves("stream")
def test_a_stream(shell: Shell, upstream: str) -> None:
    assert asked.HELLO in shell.type("-m", upstream, asked.HELLO)


@proves("tools-stream")
def test_a_tool(shell: Shell, upstream: str) -> None:
    said = shell.type("-m", upstream, "--functions", TOOL, "--td", asked.WEATHER)
    assert "Paris is sunny" in said


@proves("schema")
def test_a_schema(shell: Shell, upstream: str) -> None:
    said = shell.type("-m", upstream, "--schema", json.dumps(asked.LAMP_SCHEMA), asked.LAMP)
    assert json.loads(said).keys() == {"name", "watts"}


@proves("image")
def test_an_image(shell: Shell, upstream: str) -> None:
    picture = Path(__file__).with_name("red.png")
    assert "picture" in shell.type("-m", f"{upstream}-eyes", "-a", str(picture), asked.PICTURE)
