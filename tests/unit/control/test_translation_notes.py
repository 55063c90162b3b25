"""What ``explain`` says of a request's way into another dialect."""

from typing import Any

import pytest

from lodestard.control.verbs.requests import translation_notes


@pytest.mark.parametrize(
    ("traced", "told"),
    [
        ({}, []),
        (
            {"limit_tokens": 8_192, "by_budget": False},
            ["output limited to 8192 tokens, for its dialect demands a limit and the request names none"],
        ),
        ({"limit_tokens": 900, "by_budget": True}, []),  # the request's reason tells of it
        ({"limit_tokens": 900}, []),  # as an older daemon traced it
        ({"dropped": ["stop", "logit_bias"]}, ["left out, for its dialect can't carry it: stop, logit_bias"]),
        (
            {"translation": ["tool calls emulated"], "check": "edits: no such text"},
            ["tool calls emulated", "its answer failed the check edits: no such text"],
        ),
        ({"dropped": "x", "translation": 7, "check": None}, []),
    ],
)
def test_notes(traced: dict[str, Any], told: list[str]) -> None:
    assert list(translation_notes(traced)) == told
