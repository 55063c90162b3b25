"""Usage in every provider's words → the house's one meaning, never lower than what they count."""

import json
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lodestard.domain.usage import Usage, larger
from lodestard.protocols.openai.usage import read_tier, read_usage


def read(text: str | dict[str, Any]) -> Usage | None:
    return read_usage(msgspec.Raw((text if isinstance(text, str) else json.dumps(text)).encode()))


def counted(prompt: int = 10, completion: int = 5, **more: Any) -> dict[str, Any]:
    return {"prompt_tokens": prompt, "completion_tokens": completion, **more}


def test_tokens_of_every_kind_are_read() -> None:
    said = counted(100, 50) | {
        "prompt_tokens_details": {
            "audio_tokens": 40,
            "image_tokens": 30,
            "cached_tokens": 20,
            "cached_tokens_details": {"audio_tokens": 8, "image_tokens": 90},
        },
        "completion_tokens_details": {"audio_tokens": 7, "image_tokens": 6, "reasoning_tokens": 5},
    }
    assert read(said) == Usage(
        prompt_tokens=100,
        completion_tokens=50,
        cached_tokens=20,
        reasoning_tokens=5,
        audio_prompt_tokens=40,
        audio_cached_tokens=8,
        audio_completion_tokens=7,
        image_prompt_tokens=30,
        image_cached_tokens=20,
        image_completion_tokens=6,
    )


def test_parts_beside_the_whole_are_added_to_it() -> None:
    audio = {"prompt_tokens_details": {"audio_tokens": 30}, "completion_tokens_details": {"audio_tokens": 20}}
    usage = read(counted() | audio)
    assert usage is not None
    assert (usage.prompt_tokens, usage.completion_tokens) == (40, 25)


@pytest.mark.parametrize(
    ("said", "tier"),
    [
        (None, ""),
        ("default", ""),
        ("auto", ""),
        ("flex", "flex"),
        ("priority", "priority"),
        (5, "unreadable"),
        ({"a": 1}, "unreadable"),
        ("", "unreadable"),
        ("two words", "unreadable"),
        ("x" * 65, "unreadable"),
    ],
)
def test_how_it_was_served(said: object, tier: str) -> None:
    assert read_tier(said) == tier


def test_the_larger_report_keeps_how_it_was_served() -> None:
    first, second = Usage(prompt_tokens=5, service_tier="flex"), Usage(prompt_tokens=4, audio_prompt_tokens=1)
    assert larger(first, second) == Usage(prompt_tokens=5, audio_prompt_tokens=1, service_tier="flex")


@pytest.mark.parametrize(
    ("said", "usage"),
    [
        (counted(), Usage(prompt_tokens=10, completion_tokens=5)),
        (
            counted(
                total_tokens=15,
                prompt_tokens_details={"cached_tokens": 4, "cache_write_tokens": 2, "audio_tokens": 0},
                completion_tokens_details={"reasoning_tokens": 3},
            ),
            Usage(prompt_tokens=10, completion_tokens=5, cached_tokens=4, cache_write_tokens=2, reasoning_tokens=3),
        ),
        (
            counted(prompt_tokens_details=None, completion_tokens_details=None),
            Usage(prompt_tokens=10, completion_tokens=5),
        ),
        # DeepSeek
        (counted(prompt_cache_hit_tokens=6), Usage(prompt_tokens=10, completion_tokens=5, cached_tokens=6)),
        # cached beside the prompt
        (
            counted(prompt_tokens_details={"cached_tokens": 100}),
            Usage(prompt_tokens=110, completion_tokens=5, cached_tokens=100),
        ),
        # xAI: reasoning beside the completion, with and without a total
        (
            counted(total_tokens=22, completion_tokens_details={"reasoning_tokens": 7}, cost_in_usd_ticks=1_234_561),
            Usage(prompt_tokens=10, completion_tokens=12, reasoning_tokens=7, billed_nano_usd=123_457),
        ),
        (
            counted(completion_tokens_details={"reasoning_tokens": 3}, cost_in_usd_ticks=10),
            Usage(prompt_tokens=10, completion_tokens=8, reasoning_tokens=3, billed_nano_usd=1),
        ),
        (
            counted(completion_tokens_details={"reasoning_tokens": 9}),
            Usage(prompt_tokens=10, completion_tokens=14, reasoning_tokens=9),
        ),
        # Gemini's endpoint: thinking in the total alone
        (counted(total_tokens=40), Usage(prompt_tokens=10, completion_tokens=30)),
    ],
)
def test_words(said: dict[str, Any], usage: Usage) -> None:
    assert read(said) == usage


@pytest.mark.parametrize(
    ("cost", "billed"),
    [
        ("0.00014", 140_000),
        ("1.4e-4", 140_000),
        ("0.0000000011", 2),
        ("0.1", 100_000_000),
        ("0", None),
        ("0.0", None),
        ("-1", None),
        ('"0.1"', None),
        ("null", None),
        ("1e999", None),
        ("1e99", None),
        ("9" * 70, None),
        ('{"total": 1}', None),
    ],
)
def test_cost_in_dollars_is_exact(cost: str, billed: int | None) -> None:
    usage = read('{"prompt_tokens":1,"completion_tokens":1,"cost":' + cost + "}")
    assert usage is not None
    assert usage.billed_nano_usd == billed


@pytest.mark.parametrize(
    ("ticks", "billed"), [("10000000000", 10**9), ("1", 1), ("0", None), ("1.5", None), ("9" * 30, None)]
)
def test_ticks(ticks: str, billed: int | None) -> None:
    usage = read('{"prompt_tokens":1,"completion_tokens":1,"cost_in_usd_ticks":' + ticks + "}")
    assert usage is not None
    assert usage.billed_nano_usd == billed


@pytest.mark.parametrize(
    "text",
    [
        "null",
        "{}",
        "[]",
        "5",
        '"x"',
        '{"prompt_tokens":1}',
        '{"completion_tokens":1}',
        '{"prompt_tokens":-1,"completion_tokens":1}',
        '{"prompt_tokens":"1","completion_tokens":1}',
        '{"prompt_tokens":1.5,"completion_tokens":1}',
        '{"prompt_tokens":true,"completion_tokens":1}',
        '{"prompt_tokens":1,"completion_tokens":99999999999999999999}',
        '{"prompt_tokens":1,"completion_tokens":1,"prompt_tokens_details":5}',
        '{"x":' + "[" * 5000,
    ],
)
def test_figures_that_make_no_sense_are_none(text: str) -> None:
    assert read(text) is None


def test_an_absent_usage_is_none() -> None:
    assert read_usage(msgspec.Raw()) is None


COUNTS = st.integers(0, 1000)


@given(COUNTS, COUNTS, st.none() | COUNTS, st.none() | COUNTS, st.none() | COUNTS)
def test_it_is_never_lower_than_what_was_said(
    prompt: int, completion: int, total: int | None, cached: int | None, reasoning: int | None
) -> None:
    usage = read(
        counted(
            prompt,
            completion,
            total_tokens=total,
            prompt_tokens_details={"cached_tokens": cached},
            completion_tokens_details={"reasoning_tokens": reasoning},
        )
    )
    assert usage is not None
    assert usage.prompt_tokens >= max(prompt, usage.cached_tokens)
    assert usage.completion_tokens >= max(completion, usage.reasoning_tokens)
    assert usage.prompt_tokens + usage.completion_tokens >= (total or 0)


def test_of_two_reports_the_larger_figures_hold() -> None:
    first = Usage(prompt_tokens=10, completion_tokens=9, cached_tokens=1, billed_nano_usd=5)
    second = Usage(prompt_tokens=10, completion_tokens=2, cached_tokens=3)
    assert larger(None, first) is first
    assert larger(first, second) == Usage(prompt_tokens=10, completion_tokens=9, cached_tokens=3, billed_nano_usd=5)
    both = larger(second, second)
    assert both is not None
    assert both.billed_nano_usd is None
