"""The shadow policy's judge: what fails there stays there, and it sees the waits that the real choice saw."""

import logging
from decimal import Decimal
from typing import Any, cast

import pytest

from lodestard.domain.price import FREE, Price
from lodestard.domain.request import Caller, Conversation, Request
from lodestard.domain.residency import Wait
from lodestard.domain.settings import ModelPrice, Settings, Upstream
from lodestard.domain.upstream import Candidate, Merit, Plan, Target
from lodestard.domain.usage import Usage
from lodestard.routing.catalog import Offer, build_catalog
from lodestard.shadowing import Shadow, WaitsAsSeen, cost_of, judge

REQUEST = Request(
    dialect="openai", alias="auto", stream=False, include_usage=False, members={},
    conversation=Conversation(messages=()), size_bytes=9,
)  # fmt: skip
MERIT = Merit(quality=0.9, cost_nano_usd=1, wait_s=5.0, value_nano_usd=1, cached_tokens=400)
LOCAL = Candidate(
    target=Target("t600", "a"), dialect="ollama", price=FREE, free=True, up=True, predicted_wait_s=7.0, merit=MERIT
)
PAID = Candidate(
    target=Target("openai", "b"), dialect="openai", free=False, up=True, merit=MERIT,
    price=Price(input_pico_usd=2_000, output_pico_usd=10_000, cache_read_pico_usd=1_000),
)  # fmt: skip
USAGE = Usage(prompt_tokens=1_000, completion_tokens=100)


def offer_of(target: Target) -> Offer | None:
    """What the other policy knows."""
    settings = Settings(
        upstreams={
            "t600": Upstream(dialect="ollama", url="http://127.0.0.1:1", free=True),
            "openai": Upstream(dialect="openai", url="https://api.example/v1"),
        },
        prices={
            "openai/b": ModelPrice(input=Decimal("0.002"), output=Decimal("0.01"), cache_read=Decimal("0.001")),
        },
    )
    return build_catalog(settings, frozenset({"ollama", "openai"})).offer(target)


def a_plan(*candidates: Candidate) -> Plan:
    return Plan(alias="auto", candidates=candidates, reason="because")


def test_what_fails_is_logged_and_is_no_fault_of_the_requests(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.ERROR):
        assert Shadow(cast("Any", None), offer_of).judge(REQUEST, Caller(), a_plan(LOCAL), None) == {}
    assert "the shadow policy failed" in caplog.text
    assert Shadow(cast("Any", None), offer_of).judge(REQUEST, Caller(), a_plan(), None) == {}


def test_waits_are_those_that_the_real_choice_saw() -> None:
    class Now:
        def predicted_wait(self, _target: Target, _tokens: int) -> Wait:
            return Wait(likely_s=1.0, low_s=1.0, high_s=1.0)

    seen = WaitsAsSeen(cast("Any", Now()), a_plan(LOCAL, PAID))
    local, paid, other = (seen.predicted_wait(target, 9) for target in (LOCAL.target, PAID.target, Target("x", "y")))
    assert local is not None
    assert local.likely_s == 7.0
    assert paid is None
    assert other is not None
    assert other.likely_s == 1.0


def test_the_cost_there_is_of_the_tokens_that_were_used() -> None:
    assert cost_of(PAID, offer_of(PAID.target), USAGE) == 600 * 2 + 400 * 1 + 100 * 10
    assert cost_of(LOCAL, offer_of(LOCAL.target), USAGE) == 0
    assert cost_of(PAID, offer_of(PAID.target), None) is None
    assert cost_of(PAID, None, USAGE) is None


def test_what_is_said_of_the_same_of_another_and_of_nobody() -> None:
    same = {"target": "t600/a", "differs": False, "reason": "because"}
    assert judge(a_plan(LOCAL, PAID), a_plan(LOCAL), offer_of, USAGE) == same
    other = {"target": "openai/b", "differs": True, "reason": "because", "cost_nano_usd": 2_600}
    assert judge(a_plan(PAID), a_plan(LOCAL), offer_of, USAGE) == other
    nobody = {"target": "", "differs": True, "reason": "because", "cost_nano_usd": 0}
    assert judge(a_plan(), a_plan(LOCAL), offer_of, USAGE) == nobody
