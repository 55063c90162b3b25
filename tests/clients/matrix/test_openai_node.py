"""OpenAI's SDK for Node.js speaks chat completions, over every dialect of upstreams."""

import json
import shutil
import subprocess
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from tests.clients.matrix import asked, cells

proves = partial(cells.proves, "openai", "OpenAI Node")
ROOT = Path(__file__).parents[3]
FOLDER = ROOT / ".node-clients"
SCRIPT = Path(__file__).parents[1] / "node" / "openai.mjs"
ASKED = {
    "hello": asked.HELLO,
    "weather": asked.WEATHER,
    "both": asked.BOTH,
    "lamp": asked.LAMP,
    "long": asked.LONG,
    "limit": asked.LIMIT,
    "sunny": asked.SUNNY,
    "tools": [(name, about, schema) for name, (about, schema) in asked.TOOLS.items()],
    "lamp_schema": asked.LAMP_SCHEMA,
}

pytestmark = pytest.mark.skipif(
    shutil.which("node") is None or not (FOLDER / "node_modules" / "openai").exists(),
    reason="OPENAI'S SDK FOR NODE.JS IS NOT INSTALLED, SO IT WAS NOT TRIED: `make clients-env` installs it",
)
_seen: dict[str, dict[str, Any]] = {}


@pytest.fixture
def said(url: str, upstream: str) -> dict[str, Any]:
    """What the script found over ``upstream``: it is run once for all features, for Node.js starts slowly."""
    if upstream not in _seen:
        command = ["node", str(SCRIPT), str(FOLDER), url, upstream, json.dumps(ASKED)]
        done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
        assert done.returncode == 0, done.stderr
        _seen[upstream] = json.loads(done.stdout)
    return _seen[upstream]


@proves("text")
def test_text(said: dict[str, Any], upstream: str) -> None:
    assert said["text"]["finish"] == "stop"
    assert asked.HELLO in said["text"]["text"]


@proves("stream")
def test_a_stream(said: dict[str, Any], upstream: str) -> None:
    stream = said["stream"]
    assert asked.HELLO in stream["text"]
    assert (stream["finish"], stream["pieces"] >= 1) == ("stop", True)  # words that come at once are one piece


@proves("tools")
def test_a_tool(said: dict[str, Any], upstream: str) -> None:
    ((name, arguments),) = said["tools"]["calls"]
    assert (name, json.loads(arguments)) == ("get_weather", {"city": "Paris"})
    assert said["tools"]["text"]


@proves("tools-stream")
def test_a_tool_streamed(said: dict[str, Any], upstream: str) -> None:
    ((name, arguments),) = said["tools-stream"]["calls"]
    assert (name, json.loads(arguments)) == ("get_weather", {"city": "Paris"})
    assert said["tools-stream"]["text"]


@proves("parallel")
def test_two_tools_at_once(said: dict[str, Any], upstream: str) -> None:
    assert {name for name, _ in said["parallel"]["calls"]} == {"get_weather", "read_clock"}
    assert said["parallel"]["text"]


@proves("schema")
def test_a_schema(said: dict[str, Any], upstream: str) -> None:
    assert said["schema"]["lamp"].keys() == {"name", "watts"}


@proves("limit")
def test_an_output_limit(said: dict[str, Any], upstream: str) -> None:
    assert said["limit"]["finish"] == "length"
    assert said["limit"]["tokens"] <= asked.LIMIT


@proves("error")
def test_an_error_before_the_answer(said: dict[str, Any], upstream: str) -> None:
    assert said["error"] == {"kind": "NotFoundError", "status": 404, "code": "model_not_found"}


@proves("broken")
def test_an_error_in_a_stream(said: dict[str, Any], upstream: str) -> None:
    assert said["broken"]["kind"] == "APIError"
    assert said["broken"]["code"] in ("upstream_error", "upstream_busy")
