"""What prices per token don't cover, and bounds that must cover what is sent."""

import json
from typing import Any

import msgspec
import pytest

from lodestard.budget import find_unpriced, worst_case
from lodestard.domain.price import Price, Rates, ServiceTier
from lodestard.domain.request import Request
from lodestard.protocols.anthropic.messages import read_request as read_messages
from lodestard.protocols.openai.chat import read_request

PRICE = Price(input_pico_usd=1, output_pico_usd=1_000, max_output_tokens=100)


def read(**members: Any) -> Request:
    body = {"model": "m", "messages": [{"role": "user", "content": "hi"}], **members}
    return read_request(json.dumps(body).encode(), depth=64)


@pytest.mark.parametrize(
    ("member", "value"),
    [
        ("service_tier", "priority"),
        ("service_tier", ["flex"]),
        ("service_tier", {"a": 1}),
        ("web_search_options", {}),
        ("search_parameters", {"mode": "auto"}),
        ("search_parameters", {}),
        ("modalities", ["audio"]),
        ("models", ["dearer"]),
        ("inference_geo", "us"),
        ("fallbacks", "default"),
        ("fallbacks", [{"model": "dearer"}]),
        ("plugins", [{"id": "web"}]),
        ("tools", [{"type": "web_search"}]),
    ],
)
def test_what_is_billed_otherwise_is_named(member: str, value: Any) -> None:
    assert find_unpriced(read(**{member: value}), PRICE) == member


def test_what_is_billed_by_the_token_passes() -> None:
    tools = [{"type": "function", "function": {"name": "f"}}, {"type": "custom", "custom": {"name": "c"}}]
    off = {"mode": "off"}
    assert not find_unpriced(
        read(service_tier="flex", modalities=["text"], search_parameters=off, tools=tools), PRICE
    )
    assert not find_unpriced(read(service_tier=None, web_search_options=None, models=[], plugins=[]), PRICE)


@pytest.mark.parametrize("limits", [(5, 50), (50, 5), (50, None), (None, 50)])
def test_of_two_limits_the_larger_one_counts(limits: tuple[int | None, int | None]) -> None:
    request = read(max_tokens=limits[0], max_completion_tokens=limits[1])
    assert worst_case(request, PRICE).completion_tokens == 50


def test_a_prediction_may_be_billed_as_output() -> None:
    prediction = {"type": "content", "content": "x" * 1_000}
    assert worst_case(read(max_tokens=10, prediction=prediction, n=2), PRICE).completion_tokens >= 2 * 1_010


AUDIO = msgspec.structs.replace(
    PRICE,
    audio_input_pico_usd=9,
    audio_output_pico_usd=9,
    service_tiers=(ServiceTier(name="priority", rates=Rates(input_pico_usd=2, output_pico_usd=2)),),
)


@pytest.mark.parametrize(
    "members",
    [
        {"service_tier": "priority"},
        {"speed": "priority"},
        {"speed": "standard"},
        {"modalities": ["text", "audio"]},
        {"messages": [{"role": "user", "content": [{"type": "input_audio", "input_audio": {"data": "x"}}]}]},
        {"messages": [{"role": "assistant", "content": "x", "audio": None}]},
        {"messages": [{"role": "user", "content": 'say "audio"'}]},
    ],
)
def test_what_the_price_knows_passes(members: dict[str, Any]) -> None:
    assert find_unpriced(read(**members), AUDIO) == ""


@pytest.mark.parametrize(
    ("members", "price", "named"),
    [
        ({"speed": "fast"}, PRICE, "speed"),
        ({"speed": 5}, AUDIO, "speed"),
        ({"service_tier": "scale"}, AUDIO, "service_tier"),
        ({"modalities": ["text", "image"]}, AUDIO, "modalities"),
        ({"messages": [{"role": "user", "content": [{"type": "input_audio"}]}]}, PRICE, "messages"),
        ({"messages": [{"role": "assistant", "content": "x", "audio": {"id": "a"}}]}, AUDIO, "messages"),
    ],
)
def test_what_it_does_not_know_is_named(members: dict[str, Any], price: Price, named: str) -> None:
    assert find_unpriced(read(**members), price) == named


def read_anthropic(**members: Any) -> Request:
    body = {"model": "m", "max_tokens": 9, "messages": [{"role": "user", "content": "hi"}], **members}
    return read_messages(json.dumps(body).encode(), depth=64, headers={})


def user(*blocks: Any) -> list[dict[str, Any]]:
    return [{"role": "user", "content": list(blocks)}]


@pytest.mark.parametrize(
    ("member", "value"),
    [
        ("tools", [{"type": "web_search_20250305", "name": "web_search"}]),
        ("tools", [{"type": "web_fetch_20260209", "name": "web_fetch", "defer_loading": True}]),
        ("tools", [{"type": "code_execution_20250825", "name": "code_execution"}]),
        ("tools", [{"type": "tool_search_tool_bm25_20251119", "name": "find"}]),
        ("tools", [{"type": "mcp_toolset"}]),
        ("mcp_servers", [{"type": "url", "url": "https://x.test"}]),
        ("container", "container_1"),
        ("inference_geo", "us"),
        ("speed", "fast"),
        ("service_tier", "priority"),
        ("fallbacks", "default"),
        ("fallbacks", [{"model": "dearer"}]),
        ("compaction", {}),
        ("context_management", {"edits": [{"type": "compact_20260112"}]}),
        ("context_management", {"edits": "all"}),
        ("context_management", 7),
        ("billing_policy", {"bill_to": "user_profile"}),
        ("messages", user({"type": "document", "source": {"type": "url", "url": "https://x.test/a.pdf"}})),
        ("messages", user({"type": "document", "source": {"type": "file", "file_id": "f"}})),
        ("messages", user({"type": "container_upload", "file_id": "f"})),
    ],
)
def test_what_anthropic_bills_otherwise_is_named(member: str, value: Any) -> None:
    assert find_unpriced(read_anthropic(**{member: value}), PRICE) == member


def test_a_tool_that_is_defined_in_the_midst_counts_too() -> None:
    search = {"type": "web_search_20250305", "name": "web_search"}
    change = {"type": "tool_addition", "tool": {"type": "tool_definition", "definition": search}}
    assert find_unpriced(read_anthropic(messages=[{"role": "system", "content": [change]}]), PRICE) == "tools"


def test_what_anthropic_bills_by_the_token_passes() -> None:
    kinds = ("bash_20250124", "text_editor_20250728", "computer_20250124", "memory_20250818", "custom")
    pdf = {"type": "document", "source": {"type": "base64", "media_type": "application/pdf", "data": "eA=="}}
    request = read_anthropic(
        messages=user(pdf),
        tools=[{"type": kind, "name": "t"} for kind in kinds] + [{"type": "computer_toolset_20260801"}],
        context_management={"edits": [{"type": "clear_thinking_20251015", "keep": "all"}]},
        service_tier="standard_only",
        speed="standard",
        inference_geo="global",
        mcp_servers=[],
        container=None,
        billing_policy={"type": "billing_policy", "bill_to": "self"},
    )
    assert find_unpriced(request, PRICE) == ""


def test_tools_that_the_provider_describes_are_held_for() -> None:
    described = read_anthropic(tools=[{"type": "computer_20250124", "name": "computer"}])
    own = read_anthropic(tools=[{"name": "computer", "input_schema": {"a": 1}}])
    assert worst_case(described, PRICE).prompt_tokens > worst_case(own, PRICE).prompt_tokens + 4_000
