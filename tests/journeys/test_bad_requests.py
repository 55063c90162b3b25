"""Requests that can't be served, and what they are told: never a hang, never a bare page, never an upstream asked."""

from pathlib import Path
from typing import Any
from urllib.parse import unquote

import pytest

from tests.fakes.world import CHAT, Answer, World, chat, open_world

HELLO = [{"role": "user", "content": "hi"}]


def told(answer: Answer) -> tuple[int, str, str | None]:
    """Status, code and param, in the shape that OpenAI's SDK reads."""
    assert answer.headers["content-type"] == "application/json"
    assert set(answer.error) == {"message", "type", "param", "code"}
    return answer.status, answer.error["code"], answer.error["param"]


@pytest.mark.parametrize(
    "body", [b"", b"{", b"[]", b'"text"', b"nonsense", b'{"model": "auto",}', b"\xff\xfe", b'{"a": NaN}', b"[" * 9999]
)
async def test_what_is_no_json_object(world: World, body: bytes) -> None:
    answer = await world.request("POST", CHAT, body)
    status, code, _ = told(answer)
    assert status == 400
    assert code in ("invalid_json", "invalid_request")


@pytest.mark.parametrize(
    ("members", "param"),
    [
        ({"model": 7, "messages": HELLO}, "model"),
        ({"messages": HELLO}, "model"),
        ({"model": "", "messages": HELLO}, "model"),
        ({"model": "auto"}, "messages"),
        ({"model": "auto", "messages": []}, "messages"),
        ({"model": "auto", "messages": "hi"}, "messages"),
        ({"model": "auto", "messages": [{"role": "user"}]}, "messages[0].content"),
        ({"model": "auto", "messages": [{"role": "king", "content": "x"}]}, "messages[0].role"),
        ({"model": "auto", "messages": [*HELLO, {"role": "user", "content": 3}]}, "messages[1].content"),
        (
            {"model": "auto", "messages": [{"role": "user", "content": [{"type": "text"}]}]},
            "messages[0].content[0].text",
        ),
        ({"model": "auto", "messages": HELLO, "temperature": "hot"}, "temperature"),
        ({"model": "auto", "messages": HELLO, "temperature": 3}, "temperature"),
        ({"model": "auto", "messages": HELLO, "stream": "yes"}, "stream"),
        ({"model": "auto", "messages": HELLO, "n": 0}, "n"),
        ({"model": "auto", "messages": HELLO, "max_tokens": -1}, "max_tokens"),
        ({"model": "auto", "messages": HELLO, "tools": [{"type": "function"}]}, "tools[0].function"),
        (
            {"model": "auto", "messages": HELLO, "stream_options": {"include_usage": 1}},
            "stream_options.include_usage",
        ),
    ],
)
async def test_a_wrong_value_is_named_by_its_path(world: World, members: dict[str, Any], param: str) -> None:
    answer = await world.request("POST", CHAT, members)
    assert told(answer) == (400, "invalid_request", param)
    assert not any(upstream.asked for upstream in world.upstreams.values())


@pytest.mark.parametrize(
    ("alias", "near"), [("gpt-4o-minni", "'gpt-4o-mini'"), ("GPT-4O", "'gpt-4o'"), ("local-lama", "'local-llama'")]
)
async def test_an_unknown_model_and_the_nearest_names(world: World, alias: str, near: str) -> None:
    answer = await world.ask(alias)
    assert told(answer) == (404, "model_not_found", "model")
    assert f"Did you mean {near}" in answer.error["message"]
    row = await world.row()
    assert (row.outcome, row.alias, row.attempts) == ("model_not_found", alias, 0)


async def test_a_model_that_is_like_no_other(world: World) -> None:
    answer = await world.ask("zzzzzzzzzz")
    assert told(answer) == (404, "model_not_found", "model")
    assert "Did you mean" not in answer.error["message"]


async def test_a_paid_model_without_a_price(world: World) -> None:
    for alias in ("unpriced", "openai/o4-mini"):
        answer = await world.ask(alias)
        assert told(answer) == (400, "price_unknown", "model")
        assert '[prices."openai/o4-mini"]' in answer.error["message"]
    assert world.openai.asked == 0


async def test_a_body_that_is_too_large(tmp_path: Path) -> None:
    async with open_world(tmp_path, "[server.limits]\nbody_bytes = 5000\n") as world:
        answer = await world.ask("local-llama", "x" * 5000)
        assert told(answer) == (413, "request_too_large", None)
        assert (await world.ask("local-llama", "x" * 4000)).status == 200
        assert world.ollama.asked == 1


@pytest.mark.parametrize("kind", ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data", ""])
async def test_another_content_type(world: World, kind: str) -> None:
    answer = await world.request("POST", CHAT, chat("local-llama"), {"content-type": kind})
    assert told(answer) == (415, "unsupported_media_type", None)


async def test_a_content_type_with_its_charset(world: World) -> None:
    answer = await world.request(
        "POST", CHAT, chat("local-llama"), {"content-type": "Application/JSON; charset=utf-8"}
    )
    assert answer.status == 200


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [("GET", CHAT, "POST"), ("DELETE", CHAT, "POST"), ("POST", "/v1/models", "GET"), ("PUT", "/health/live", "GET")],
)
async def test_a_wrong_method(world: World, method: str, path: str, allowed: str) -> None:
    answer = await world.request(method, path)
    assert told(answer) == (405, "method_not_allowed", None)
    assert allowed in answer.error["message"]
    assert answer.headers["allow"].split(", ")[0] == allowed  # RFC 9110, section 15.5.6


@pytest.mark.parametrize("path", ["/v1/nothing", "/v2/chat/completions", "/v1/chat", "/etc/passwd"])
async def test_a_wrong_path(world: World, path: str) -> None:
    assert told(await world.request("POST", path, chat("auto"))) == (404, "not_found", None)


async def test_a_page_of_another_site(world: World) -> None:
    answer = await world.ask("local-llama", headers={"origin": "https://evil.example"})
    assert told(answer) == (403, "forbidden_origin", None)
    assert (await world.ask("local-llama", headers={"origin": "http://localhost:3000"})).status == 200


async def test_a_name_that_is_not_ours(world: World) -> None:
    answer = await world.ask("local-llama", headers={"host": "evil.example"})
    assert told(answer) == (403, "forbidden_host", None)
    assert world.ollama.asked == 0


async def test_the_models_that_there_are(world: World) -> None:
    answer = await world.request("GET", "/v1/models")
    names = [model["id"] for model in answer.json["data"]]
    assert answer.json["object"] == "list"
    assert {"auto", "gpt-3.5-turbo", "local-llama", "gpt-4o-mini"} <= set(names)
    one = await world.request("GET", "/v1/models/local-llama")
    assert (one.json["id"], one.json["object"]) == ("local-llama", "model")
    assert told(await world.request("GET", "/v1/models/local-lama")) == (404, "model_not_found", "model")


async def test_the_house_says_that_it_lives(world: World) -> None:
    for path in ("/", "/health/live", "/health/ready"):
        assert (await world.request("GET", path)).status == 200
        assert (await world.request("HEAD", path)).body == b""
    world.house.draining = True
    answer = await world.request("GET", "/health/ready")
    assert (answer.status, answer.json["status"]) == (503, "not ready")


@pytest.mark.parametrize("path", ["/figures", "/v1/figures", "/figures/"])
async def test_a_page_is_found_with_and_without_the_version(world: World, path: str) -> None:
    async def page(_accept: str) -> tuple[str, bytes]:
        return "text/plain", b"42"

    with world.house.runtime.hooks.pages.add("/figures", page):
        answer = await world.request("GET", path)
    assert (answer.status, answer.body) == (200, b"42")


@pytest.mark.parametrize("name", ["openai/gpt-4o", "openai%2Fgpt-4o", "t600%2Fllama3.1%3A8b"])
async def test_a_model_is_shown_by_a_name_that_a_client_has_quoted(world: World, name: str) -> None:
    shown = await world.request("GET", f"/v1/models/{name}")
    assert (shown.status, shown.json["id"]) == (200, unquote(name))


async def test_what_only_begins_like_the_version_is_nowhere(world: World) -> None:
    assert (await world.request("GET", "/v1models")).status == 404
