"""What prices per token don't cover, and bounds that must cover what is sent."""

import json
from typing import Any

import msgspec
import pytest

from lodestard.budget import find_unpriced, worst_case
from lodestard.domain.price import Price, Rates, ServiceTier
from lodestard.domain.request import Request
from lodestard.protocols.openai_chat import read_request

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
