"""The house that all clients speak to: one alias for each dialect of upstreams, over simulated ones."""

from collections.abc import Iterator
from typing import Any

import pytest

from tests.fakes.process import KEY_VARIABLE, QUIET, Daemon, get, overlay, run_simulator, wait_for

KINDS = ("ollama", "openai", "xai", "gemini", "anthropic")
QUICK = {"residency": {"linger_s": 0.1, "dwell_s": 0.1}}
PRICE = {"input": "5.00", "output": "25.00", "cache_write": "6.25", "max_output_tokens": 16384}
Ports = dict[str, int]
SIMULATORS = {"responses": "openai", "gemini-compatible": "gemini"}
"""Whose simulator an upstream is at, where its name does not say so."""


def upstreams(ports: Ports) -> dict[str, Any]:
    """By name. Every mood of a paid one is an upstream of its own."""
    key = {"env": KEY_VARIABLE}
    at = {kind: f"http://127.0.0.1:{port}" for kind, port in ports.items()}
    paid = {
        "openai": {"dialect": "openai", "url": f"{at['openai']}/v1"},
        "responses": {"dialect": "openai", "url": f"{at['openai']}/v1", "api": "responses"},
        "anthropic": {"dialect": "anthropic", "url": f"{at['anthropic']}/v1"},
        "gemini": {"dialect": "gemini", "url": f"{at['gemini']}/v1beta"},
        "xai": {"dialect": "openai", "url": f"{at['xai']}/v1"},
        "gemini-compatible": {"dialect": "openai", "url": f"{at['gemini']}/v1beta/openai"},
    }
    chats = {"key": key, "completions": "chat"}  # as the providers' own chat models, whose addresses would tell
    made: dict[str, Any] = {name: {**upstream, **chats} for name, upstream in paid.items()}
    for name in ("openai", "xai", "gemini-compatible"):
        made[name]["limit_member"] = "max_completion_tokens"  # their addresses would tell this too
    made |= {f"{name}-cut": {**upstream, "headers": {"x-sim-fault": "error=6"}} for name, upstream in made.items()}
    local = {"dialect": "ollama", "url": at["ollama"], "free": True}
    return {**made, "ollama": local, "ollama-cut": {**local, "headers": {"x-sim-fault": "error=6"}}}


MODELS = {
    "ollama": "llama3.1:8b",
    "openai": "gpt-4o-mini",
    "responses": "gpt-4o-mini",
    "anthropic": "claude-sonnet-4-5-20250929",
    "gemini": "gemini-1.5-flash",
    "xai": "grok-beta",
    "gemini-compatible": "gemini-1.5-flash",
}
EYES = {"ollama": "moondream:1.8b"}
"""Where the usual model sees nothing."""

THINKERS = {
    "ollama": "qwen3:1.7b",
    "openai": "o4-mini",
    "responses": "o4-mini",
    "gemini": "gemini-2.5-flash",
    "xai": "grok-3-mini",
    "gemini-compatible": "gemini-2.5-flash",
}
"""Where the usual model does not think."""

FILLS = {"ollama": "deepseek-coder:6.7b"}
"""Where the usual model knows no gaps."""

EMBEDS = {"ollama": "nomic-embed-text", "openai": "text-embedding-3-small"}


def settings(ports: Ports) -> dict[str, Any]:
    models: dict[str, Any] = {}
    for name, model in MODELS.items():
        models[name] = {"route": [f"{name}/{model}"]}
        models[f"{name}-eyes"] = {"route": [f"{name}/{EYES.get(name, model)}"]}
        for mood in ("", "-cut"):
            models[f"{name}-thinker{mood}"] = {"route": [f"{name}{mood}/{THINKERS.get(name, model)}"]}
        models[f"{name}-fills"] = {"route": [f"{name}/{FILLS.get(name, model)}"]}
        models[f"{name}-cut"] = {"route": [f"{name}-cut/{model}"]}
    paid = [f"{name}{mood}/{model}" for name, model in MODELS.items() if name != "ollama" for mood in ("", "-cut")]
    models |= {f"{name}-embeds": {"route": [f"{name}/{model}"]} for name, model in EMBEDS.items()}
    paid += [f"{name}{mood}/{model}" for name, model in THINKERS.items() if name != "ollama" for mood in ("", "-cut")]
    paid.append(f"openai/{EMBEDS['openai']}")
    return {"upstreams": upstreams(ports), "models": models, "prices": dict.fromkeys(paid, PRICE)}


@pytest.fixture(scope="session")
def ports() -> Iterator[Ports]:
    """The simulated upstreams, by kind."""
    arguments = [word for kind in KINDS for word in (f"--{kind}-port", "0")]
    with run_simulator("--profile", "instant", *arguments) as found:
        yield dict(zip(KINDS, found, strict=True))


@pytest.fixture(scope="session")
def everything(ports: Ports, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Daemon]:
    """A running daemon with an alias for each dialect. At its end the books agree with the providers' meters."""
    daemon = Daemon(tmp_path_factory.mktemp("matrix"), overlay(settings(ports), {**QUIET, **QUICK}))
    try:
        yield daemon.start()
        daemon.wait_idle()
        daemon.verify()
        billed = sum(int(get(ports[kind], "/__sim/meter").json["nano_usd"]) for kind in KINDS)
        assert daemon.ctl_json("costs", "--since", "24h")["total"]["cost_nano_usd"] >= billed > 0
    finally:
        daemon.end()


@pytest.fixture(scope="session")
def url(everything: Daemon) -> str:
    return f"http://127.0.0.1:{everything.port}"


def say(ports: Ports, upstream: str, *answers: Any) -> None:
    """The provider's next answers."""
    port = ports[SIMULATORS.get(upstream, upstream)]
    assert get(port, "/__sim/answers", "POST", {"answers": answers}).status == 200


def latest(daemon: Daemon) -> dict[str, dict[str, Any]]:
    """The requests that have ended last, by their ids."""
    return {row["request_id"]: row for row in daemon.rows(20) if row["outcome"]}


def row_of(daemon: Daemon, request_id: str) -> dict[str, Any]:
    """What the ledger says of a request, as soon as it has ended."""
    return wait_for(lambda: latest(daemon).get(request_id), f"{request_id} ends") or {}
