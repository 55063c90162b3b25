"""Usage in the Responses API's words → the house's one meaning."""

import json
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lodestard.domain.usage import Usage
from lodestard.protocols.openai.usage import read_usage as read_chat_usage
from lodestard.protocols.responses.usage import read_usage


def read(said: Any, tier: str = "") -> Usage | None:
    return read_usage(msgspec.Raw(json.dumps(said).encode()), tier)


def test_tokens_of_every_kind_are_read() -> None:
    said = {
        "input_tokens": 100,
        "input_tokens_details": {"cached_tokens": 20, "cache_write_tokens": 5},
        "output_tokens": 50,
        "output_tokens_details": {"reasoning_tokens": 30},
        "total_tokens": 150,
    }
    assert read(said, "flex") == Usage(
        prompt_tokens=100,
        completion_tokens=50,
        cached_tokens=20,
        cache_write_tokens=5,
        reasoning_tokens=30,
        service_tier="flex",
    )


def test_reasoning_beside_the_output_is_added_to_it() -> None:
    beside = {"input_tokens": 32, "output_tokens": 9, "output_tokens_details": {"reasoning_tokens": 110}}
    for total in ({}, {"total_tokens": 151}):
        usage = read(beside | total)
        assert usage is not None
        assert (usage.completion_tokens, usage.reasoning_tokens) == (119, 110)


def test_what_the_provider_says_that_it_charged() -> None:
    usage = read({"input_tokens": 1, "output_tokens": 1, "cost_in_usd_ticks": 1234567})
    assert usage is not None
    assert usage.billed_nano_usd == 123_457


@pytest.mark.parametrize(
    "said", [None, 5, {}, {"input_tokens": 1}, {"input_tokens": -1, "output_tokens": 1}, {"prompt_tokens": 1}, "x"]
)
def test_figures_that_make_no_sense_are_none(said: Any) -> None:
    assert read(said) is None
    assert read_usage(msgspec.Raw()) is None
    assert read_usage(msgspec.Raw(b"[" * 5000)) is None


COUNT = st.integers(0, 1000)


@given(COUNT, COUNT, COUNT, COUNT, st.none() | st.integers(0, 4000))
def test_both_apis_count_the_same(prompt: int, output: int, cached: int, reasoning: int, total: int | None) -> None:
    chat = {
        "prompt_tokens": prompt,
        "completion_tokens": output,
        "total_tokens": total,
        "prompt_tokens_details": {"cached_tokens": cached},
        "completion_tokens_details": {"reasoning_tokens": reasoning},
    }
    responses = {
        "input_tokens": prompt,
        "output_tokens": output,
        "total_tokens": total,
        "input_tokens_details": {"cached_tokens": cached},
        "output_tokens_details": {"reasoning_tokens": reasoning},
    }
    assert read(responses) == read_chat_usage(msgspec.Raw(json.dumps(chat).encode()))
