"""A provider's rate limits: told to clients, learned, and kept ahead of its refusals."""

from lodestard.simulator.paid.allowances import Window
from lodestard.simulator.paid.openai_app import OpenAIApp
from lodestard.simulator.paid.providers import Allowance
from tests.fakes.world import SimUpstream, World

CHAIN = "paid-first"  # openai/gpt-4o-mini, then xai/grok-beta


def limit(upstream: SimUpstream, requests: int) -> None:
    """So many requests a minute, and a refusal beyond."""
    assert isinstance(upstream.app.app, OpenAIApp)
    upstream.app.app.desk.window = Window(Allowance(requests=requests, enforced=True))


async def test_the_limits_that_it_tells_reach_the_client(world: World) -> None:
    limit(world.openai, 3)
    for stream, left in ((False, "2"), (True, "1")):
        answer = await world.ask("gpt-4o-mini", stream=stream)
        assert answer.headers["x-ratelimit-limit-requests"] == "3"
        assert answer.headers["x-ratelimit-remaining-requests"] == left
    local = await world.ask("local-llama")
    assert not any("ratelimit" in name for name in local.headers)


async def test_the_next_candidate_is_asked_before_a_refusal(world: World) -> None:
    limit(world.openai, 2)
    targets = [(await world.ask(CHAIN, f"question {number}")).lodestar["model"] for number in range(4)]
    assert targets == ["openai/gpt-4o-mini"] * 2 + ["xai/grok-beta"] * 2
    assert world.openai.asked == 2
    assert world.openai.meter.billed == 2


async def test_who_has_no_other_candidate_is_told_how_long_to_wait(world: World) -> None:
    limit(world.openai, 1)
    await world.ask("gpt-4o-mini")
    answer = await world.ask("gpt-4o-mini", "another")
    assert (answer.status, answer.error["code"]) == (429, "upstream_rate_limited")
    assert "openai takes no more of this for" in answer.error["message"]
    assert 50 <= int(answer.headers["retry-after"]) <= 61
    assert world.openai.asked == 1
    told = await world.explain(answer)
    assert [attempt["outcome"] for attempt in told.trace["attempts"]] == ["upstream_rate_limited"]
    assert not told.attempts
    assert told.request.cost_nano_usd == 0


async def test_a_refusal_is_heeded(world: World) -> None:
    world.openai.fail("status=429;retry-after=30")
    first, second = [await world.ask(CHAIN, text) for text in ("one", "two")]
    assert first.lodestar["model"] == second.lodestar["model"] == "xai/grok-beta"
    assert world.openai.asked == 1
    other = await world.ask("gpt-4o")
    assert other.lodestar["model"] == "openai/gpt-4o"  # another model has limits of its own
