"""What happens when an upstream fails: before anything was released the next one is asked, after that it is cut."""

import pytest

from tests.fakes.world import World

CHAIN = "paid-first"  # openai/gpt-4o-mini, then xai/grok-beta


@pytest.mark.parametrize("stream", [False, True])
async def test_who_refuses_the_connection_is_passed_over(world: World, stream: bool) -> None:
    answer = await world.ask("gone-first", stream=stream)
    assert (answer.status, answer.ended) == (200, "whole")
    assert answer.lodestar["model"] == "t600/llama3.1:8b"
    assert answer.lodestar["attempts"] == "2"
    told = await world.explain(answer)
    assert [attempt.state for attempt in told.attempts] == ["released", "captured"]
    assert [attempt["outcome"] for attempt in told.trace["attempts"]] == ["upstream_unreachable", "ok"]


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize(
    ("fault", "outcome", "state"),
    [
        ("status=429;retry-after=3", "upstream_rate_limited", "released"),
        ("status=429;code=insufficient_quota", "upstream_quota", "released"),
        ("status=401", "upstream_auth", "released"),
        ("status=500", "upstream_error", "released"),
        ("status=503", "upstream_error", "released"),
        ("status=504", "upstream_error", "unknown"),
        ("close", "upstream_cut", "unknown"),
        ("reset", "upstream_cut", "unknown"),
        ("cut=10", "upstream_cut", "unknown"),
        ("noise;cut=99", "upstream_cut", "unknown"),
        ("content-type=text/html", "upstream_garbage", "unknown"),
        ("status=302", "upstream_error", "released"),
    ],
)
async def test_a_failure_before_the_first_piece_goes_on_to_the_next(
    world: World, fault: str, outcome: str, state: str, stream: bool
) -> None:
    world.openai.fail(fault)
    world.xai.say("The second one answers.")
    answer = await world.ask(CHAIN, stream=stream)
    assert (answer.status, answer.ended, answer.text) == (200, "whole", "The second one answers.")
    assert answer.lodestar["model"] == "xai/grok-beta"
    assert answer.lodestar["attempts"] == "2"
    told = await world.explain(answer)
    assert [attempt["outcome"] for attempt in told.trace["attempts"]] == [outcome, "ok"]
    assert [attempt.state for attempt in told.attempts] == [state, "captured"]
    first, second = told.attempts
    assert first.cost_nano_usd == (first.held_nano_usd if state == "unknown" else 0)
    assert second.cost_nano_usd == world.xai.bill_nano_usd
    assert told.request.cost_nano_usd == first.cost_nano_usd + second.cost_nano_usd
    assert not stream or answer.events[-1] == "[DONE]"


async def test_a_plain_answer_that_breaks_halfway_is_asked_of_the_next(world: World) -> None:
    world.openai.fail("cut=300")
    answer = await world.ask(CHAIN)
    assert (answer.status, answer.lodestar["model"]) == (200, "xai/grok-beta")


@pytest.mark.parametrize(
    ("fault", "status", "code"),
    [
        ("status=429;retry-after=3", 429, "upstream_rate_limited"),
        ("status=500", 502, "upstream_error"),
        ("status=400", 400, "upstream_rejected"),
        ("cut=10", 502, "upstream_cut"),
    ],
)
@pytest.mark.parametrize("stream", [False, True])
async def test_the_last_failure_is_told_where_nobody_is_left(
    world: World, fault: str, status: int, code: str, stream: bool
) -> None:
    world.openai.fail(fault)
    answer = await world.ask("gpt-4o-mini", stream=stream)
    assert (answer.status, answer.error["code"]) == (status, code)
    assert answer.headers["content-type"] == "application/json"
    assert answer.headers.get("retry-after") == ("3" if status == 429 else None)
    assert answer.lodestar["attempts"] == "1"
    row = await world.row()
    assert (row.outcome, row.status) == (code, status)


async def test_a_request_that_is_wrong_everywhere_is_not_asked_again(world: World) -> None:
    world.openai.fail("status=400")
    answer = await world.ask(CHAIN)
    assert answer.status == 200  # one provider's refusal is no word of the other's
    assert world.xai.asked == 1


async def test_a_stream_that_is_cut_after_its_first_piece_ends_with_an_error_and_a_cut(world: World) -> None:
    world.openai.fail("cut=1500")
    answer = await world.ask(CHAIN, stream=True, temperature=0)
    assert answer.status == 200
    assert answer.ended in ("cut", "reset")
    assert "[DONE]" not in answer.events
    assert answer.text  # what had come
    assert answer.error["code"] == "upstream_cut"
    assert answer.lodestar["model"] == "openai/gpt-4o-mini"
    assert world.xai.asked == 0
    row = await world.row()
    assert (row.outcome, row.attempts, row.unknown_nano_usd) == ("upstream_cut", 1, row.cost_nano_usd)
    assert row.cost_nano_usd >= world.openai.bill_nano_usd > 0


async def test_an_answer_that_was_cut_is_never_kept(world: World) -> None:
    world.openai.fail("cut=1500", None)
    cut = await world.ask("gpt-4o-mini", stream=True, temperature=0)
    assert cut.ended != "whole"
    again = await world.ask("gpt-4o-mini", stream=True, temperature=0)
    assert (again.ended, again.lodestar["cache"]) == ("whole", "miss")
    assert world.openai.asked == 2


@pytest.mark.parametrize("fault", ["error=3", "end=1500", "no_done"])
async def test_a_stream_that_only_seems_to_end_is_an_error_too(world: World, fault: str) -> None:
    world.openai.fail(fault)
    answer = await world.ask("gpt-4o-mini", stream=True)
    assert answer.ended in ("cut", "reset")
    assert "[DONE]" not in answer.events
    assert answer.error["code"] in ("upstream_error", "upstream_cut")


@pytest.mark.parametrize("fault", ["error=3", "cut=300", "no_done"])
@pytest.mark.parametrize("stream", [False, True])
async def test_the_local_model_fails_in_the_middle(world: World, fault: str, stream: bool) -> None:
    world.ollama.fail(fault)
    answer = await world.ask("local-llama", stream=stream)
    assert answer.error["code"] in ("upstream_error", "upstream_cut")
    assert (answer.status, answer.ended == "whole") == ((200, False) if stream else (502, True))
    assert (await world.row()).cost_nano_usd == 0


async def test_the_local_model_first_and_a_paid_one_when_it_is_busy(world: World) -> None:
    world.ollama.fail("status=503;message=server busy")
    answer = await world.ask("auto")
    assert answer.lodestar["model"] == "openai/gpt-4o-mini"
    assert answer.lodestar["attempts"] == "2"
    assert (await world.row()).cost_nano_usd == world.openai.bill_nano_usd > 0


async def test_a_model_that_its_upstream_does_not_have(world: World) -> None:
    answer = await world.ask("not-there")
    assert (answer.status, answer.error["code"]) == (404, "upstream_model_missing")
    assert "ollama pull mixtral:8x7b" in answer.error["message"]


async def test_an_upstream_that_is_not_there(world: World) -> None:
    answer = await world.ask("gone")
    assert (answer.status, answer.error["code"]) == (502, "upstream_unreachable")
    assert (await world.row()).outcome == "upstream_unreachable"
