"""Usage in Anthropic's words → the house's one meaning, never lower than what it counts."""

import json
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lodestard.domain.usage import Usage
from lodestard.protocols.anthropic.usage import Meter


def read(*reports: Any) -> Usage | None:
    meter = Meter()
    for place, report in enumerate(reports, 1):
        meter.read(msgspec.Raw(json.dumps(report).encode()), final=place == len(reports))
    return meter.usage


def said(**members: Any) -> dict[str, Any]:
    return {"input_tokens": 10, "output_tokens": 5, **members}


def test_the_prompt_has_what_the_cache_read_and_wrote() -> None:
    written = {"ephemeral_5m_input_tokens": 30, "ephemeral_1h_input_tokens": 70}
    details = {"thinking_tokens": 3}
    report = said(
        cache_creation_input_tokens=100,
        cache_read_input_tokens=1_000,
        cache_creation=written,
        output_tokens_details=details,
        service_tier="standard",
        inference_geo="global",
    )
    assert read(report) == Usage(
        prompt_tokens=1_110,
        completion_tokens=5,
        cached_tokens=1_000,
        cache_write_tokens=100,
        cache_write_1h_tokens=70,
        reasoning_tokens=3,
    )


@pytest.mark.parametrize(
    ("report", "usage"),
    [
        (said(cache_creation={"ephemeral_1h_input_tokens": 7}), (17, 7, 7, 5)),
        (said(cache_creation_input_tokens=9, cache_creation={"ephemeral_5m_input_tokens": 4}), (19, 9, 0, 5)),
        (said(cache_creation=None, cache_creation_input_tokens=None, server_tool_use=None), (10, 0, 0, 5)),
        (said(output_tokens_details={"thinking_tokens": 8}), (10, 0, 0, 8)),
    ],
)
def test_parts_that_the_whole_does_not_have(report: dict[str, Any], usage: tuple[int, ...]) -> None:
    found = read(report)
    assert found is not None
    written, long = found.cache_write_tokens, found.cache_write_1h_tokens
    assert (found.prompt_tokens, written, long, found.completion_tokens) == usage


@pytest.mark.parametrize(
    ("members", "tier"),
    [
        ({}, ""),
        ({"service_tier": "standard", "speed": "standard"}, ""),
        ({"service_tier": "priority"}, "priority"),
        ({"service_tier": "batch"}, "batch"),
        ({"service_tier": "standard", "speed": "fast"}, "fast"),
        ({"service_tier": "standard", "inference_geo": "us"}, "inference_geo=us"),
        ({"inference_geo": "not_available"}, ""),
        ({"service_tier": "priority", "speed": "fast"}, "fast+priority"),
        ({"service_tier": 5}, "5"),
        ({"inference_geo": {"a": 1}}, "unreadable"),
        ({"service_tier": "two words"}, "unreadable"),
        ({"server_tool_use": {"web_search_requests": 0, "web_fetch_requests": 3}}, ""),
        ({"server_tool_use": {"web_search_requests": 1}}, "web_search"),
    ],
)
def test_how_it_was_served(members: dict[str, Any], tier: str) -> None:
    found = read(said(**members))
    assert found is not None
    assert found.service_tier == tier


@pytest.mark.parametrize(
    "report",
    [
        None,
        5,
        {},
        {"input_tokens": 5},
        {"output_tokens": 5},
        said(input_tokens=-1),
        said(output_tokens=10**11),
        said(cache_read_input_tokens="5"),
        said(cache_creation=5),
        said(cache_creation={"ephemeral_1h_input_tokens": -1}),
    ],
)
def test_figures_that_make_no_sense_are_none(report: Any) -> None:
    assert read(report) is None
    assert read(said(), report) is None or report == {"output_tokens": 5}


def test_an_unreadable_report_spoils_what_others_say() -> None:
    assert read({"input_tokens": "x"}, said()) is None


_COUNTS = st.integers(0, 1_000)
_REPORTS = st.fixed_dictionaries(
    {"input_tokens": _COUNTS, "output_tokens": _COUNTS},
    optional={"cache_creation_input_tokens": _COUNTS, "cache_read_input_tokens": _COUNTS},
)


@given(st.lists(_REPORTS, min_size=1, max_size=4))
def test_no_reading_is_lower_than_any_report(reports: list[dict[str, int]]) -> None:
    found = read(*reports)
    assert found is not None
    for report in reports:
        whole = sum(count for name, count in report.items() if name != "output_tokens")
        assert found.prompt_tokens >= whole
        assert found.completion_tokens >= report["output_tokens"]
        assert found.prompt_tokens >= found.cached_tokens + found.cache_write_tokens
