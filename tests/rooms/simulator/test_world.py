"""Simulators on real ports: the OpenAI SDK talks to them, resets are resets, and the command starts and stops."""

import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator
from typing import Any

import httpx
import openai
import pytest
import trio

from lodestard.simulator.__main__ import choose_listeners, main, read_arguments
from lodestard.simulator.demo import run_demo_upstream
from lodestard.simulator.world import KINDS, Listener, Opened, open_simulators, simulate

TOOL: Any = {
    "type": "function",
    "function": {
        "name": "get_weather",
        "parameters": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
    },
}
ASK: Any = [{"role": "user", "content": "What is the weather in Paris?"}]


@pytest.fixture
async def upstreams() -> AsyncIterator[dict[str, Opened]]:
    wheres = [Listener(kind=kind) for kind in KINDS]
    async with open_simulators({where: simulate(where) for where in wheres}) as opened:
        yield {upstream.kind: upstream for upstream in opened}


def use_openai_sdk(url: str) -> None:
    with openai.OpenAI(base_url=f"{url}/v1", api_key="sk-any", max_retries=0) as client:
        plain = client.chat.completions.create(model="gpt-4o-mini", messages=[{"role": "user", "content": "hello"}])
        assert str(plain.choices[0].message.content).startswith("[simulated gpt-4o-mini]")
        stream = client.chat.completions.create(
            model="gpt-4o-mini",
            messages=[{"role": "user", "content": "hello"}],
            stream=True,
            stream_options={"include_usage": True},
        )
        chunks = list(stream)
        text = "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices)
        assert text == plain.choices[0].message.content
        assert chunks[-1].usage == plain.usage
        called = client.chat.completions.create(model="gpt-4o", messages=ASK, tools=[TOOL])
        (call,) = called.choices[0].message.tool_calls or []
        assert call.type == "function"
        assert (call.function.name, call.function.arguments) == ("get_weather", '{"city":"Paris"}')
        with client.chat.completions.stream(model="gpt-4o", messages=ASK, tools=[TOOL]) as events:
            final = events.get_final_completion()
        assert final.choices[0].finish_reason == "tool_calls"
        assert len(client.embeddings.create(model="text-embedding-3-small", input="hi").data[0].embedding) == 1536
        assert "gpt-4o" in [model.id for model in client.models.list()]
        with pytest.raises(openai.NotFoundError, match="does not exist"):
            client.chat.completions.create(model="nope", messages=ASK)
        with pytest.raises(openai.RateLimitError):
            client.chat.completions.create(model="gpt-4o", messages=ASK, extra_headers={"x-sim-fault": "status=429"})


async def test_the_openai_sdk(upstreams: dict[str, Opened]) -> None:
    await trio.to_thread.run_sync(use_openai_sdk, upstreams["openai"].url)
    assert upstreams["openai"].simulator.crashes == []


async def test_every_upstream_answers_on_its_port(upstreams: dict[str, Opened]) -> None:
    async with httpx.AsyncClient(trust_env=False) as client:
        for upstream in upstreams.values():
            assert (await client.get(f"{upstream.url}/__sim/state")).status_code == 200
        with pytest.raises(httpx.ReadError):
            await client.get(upstreams["ollama"].url, headers={"x-sim-fault": "reset"})
        with pytest.raises(httpx.RemoteProtocolError):
            await client.get(upstreams["ollama"].url, headers={"x-sim-fault": "close"})


async def test_the_demo_upstream(nursery: trio.Nursery) -> None:
    url = await nursery.start(run_demo_upstream)
    async with httpx.AsyncClient(trust_env=False) as client:
        assert (await client.get(url)).text == "Ollama is running"


def test_arguments() -> None:
    assert [one.kind for one in choose_listeners(read_arguments([]))] == list(KINDS)
    assert choose_listeners(read_arguments([]))[0].port == 11434
    (only,) = choose_listeners(read_arguments(["--xai-port", "0", "--host", "::1"]))
    assert (only.kind, only.port, only.host) == ("xai", 0, "::1")


def test_a_taken_port_is_said(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        main(["--ollama-port", "0", "--host", "203.0.113.1"])
    assert str(caught.value).startswith("simulator: ")


@pytest.mark.parametrize("stop", [signal.SIGINT, signal.SIGTERM])
def test_the_command_runs_until_a_signal(stop: signal.Signals) -> None:
    command = [sys.executable, "-m", "lodestard.simulator", "--profile", "instant", "--ollama-port", "0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        line = process.stdout.readline()
        assert line.startswith("simulator: ollama on http://127.0.0.1:")
        assert httpx.get(line.split()[-1], trust_env=False).status_code == 200
        os.kill(process.pid, stop)
        assert process.wait(10) == 0
        assert process.stderr.read() == ""
