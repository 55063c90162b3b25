"""The client hangs up: the free model is freed, a paid answer is read to its end and found by the retry."""

from pathlib import Path

import pytest

from tests.fakes.world import CHAT, World, chat, eventually, open_world


@pytest.mark.parametrize("stream", [False, True])
async def test_a_free_model_is_told_to_stop(world: World, stream: bool) -> None:
    with world.ollama.held():
        async with world.open() as talk:
            await talk.send("POST", CHAT, chat("local-llama", stream=stream))
            await world.ollama.wait_asked()
            await talk.leave()
            await world.ollama.wait_left()
    row = await world.row()
    assert (row.outcome, row.status, row.cost_nano_usd) == ("client_left", 499, 0)


async def test_a_free_stream_is_told_to_stop_in_the_middle(world: World) -> None:
    with world.ollama.held(after=3):
        async with world.open() as talk:
            await talk.send("POST", CHAT, chat("local-llama", stream=True))
            await talk.receive_until(b'"ulat"')
            await talk.leave()
            await world.ollama.wait_left()
    assert (await world.row()).outcome == "client_left"


async def test_a_shared_answer_goes_on_for_who_stays(world: World) -> None:
    with world.ollama.held(after=3):
        async with world.open() as first, world.open() as second:
            for talk in (first, second):
                await talk.send("POST", CHAT, chat("local-llama", stream=True, temperature=0))
                await talk.receive_until(b'"ulat"')
            await first.leave()
            world.ollama.app.gate.set()  # type: ignore[union-attr]
            assert (await second.receive()).ended == "whole"
    assert (world.ollama.asked, world.ollama.app.left) == (1, 0)
    assert sorted(row.outcome for row in await world.rows()) == ["client_left", "ok"]


@pytest.mark.parametrize("stream", [False, True])
async def test_a_paid_answer_is_read_to_its_end_so_that_its_cost_is_exact(world: World, stream: bool) -> None:
    with world.openai.held():
        async with world.open() as talk:
            await talk.send("POST", CHAT, chat("gpt-4o-mini", stream=stream))
            await world.openai.wait_asked()
            await talk.leave()
    row = await world.row()
    assert world.openai.app.left == 0
    assert (row.outcome, row.unknown_nano_usd) == ("client_left", 0)
    assert row.cost_nano_usd == world.openai.bill_nano_usd > 0


async def test_a_paid_stream_is_drained_from_the_middle(world: World) -> None:
    with world.openai.held(after=6):
        async with world.open() as talk:
            await talk.send("POST", CHAT, chat("gpt-4o-mini", stream=True))
            await talk.receive_until(b'"ulat"')
            await talk.leave()
    row = await world.row()
    assert (row.outcome, row.cost_nano_usd) == ("client_left", world.openai.bill_nano_usd)


@pytest.mark.parametrize(
    ("first", "retry"),
    [
        ({}, {"x-stainless-retry-count": "1"}),
        ({"idempotency-key": "one-and-the-same"}, {"idempotency-key": "one-and-the-same"}),
    ],
)
@pytest.mark.parametrize("stream", [False, True])
async def test_a_retry_finds_the_answer_that_was_paid_for(
    world: World, first: dict[str, str], retry: dict[str, str], stream: bool
) -> None:
    async with world.open() as talk, world.open() as again:
        with world.openai.held():
            await talk.send("POST", CHAT, chat("gpt-4o-mini", stream=stream), first)
            await world.openai.wait_asked()
            await talk.leave()
            await again.send("POST", CHAT, chat("gpt-4o-mini", stream=stream), retry)
            await world.wait_open(2)
        answer = await again.receive()
    assert (answer.status, answer.ended, bool(answer.text)) == (200, "whole", True)
    assert (answer.lodestar["cache"], answer.lodestar["cost-usd"]) == ("hit", "0.000000000")
    assert answer.lodestar["model"] == "openai/gpt-4o-mini"
    assert world.openai.asked == 1
    left, retried = await world.rows()
    assert (left.outcome, left.cost_nano_usd) == ("client_left", world.openai.bill_nano_usd)
    assert (retried.outcome, retried.cache, retried.cost_nano_usd) == ("ok", "shared", 0)


@pytest.mark.parametrize("stream", [False, True])
async def test_a_late_retry_finds_it_too(world: World, stream: bool) -> None:
    async with world.open() as talk:
        with world.openai.held():
            await talk.send("POST", CHAT, chat("gpt-4o-mini", stream=True))
            await world.openai.wait_asked()
            await talk.leave()
    assert (await world.row()).outcome == "client_left"
    retry = await world.ask("gpt-4o-mini", stream=stream, headers={"x-stainless-retry-count": "1"})
    assert (retry.status, retry.ended, bool(retry.text)) == (200, "whole", True)
    anew = await world.ask("gpt-4o-mini", stream=stream)
    assert (retry.lodestar["cost-usd"], anew.lodestar["cost-usd"] > "0") == ("0.000000000", True)
    assert world.openai.asked == 2


async def test_a_reload_counts_nothing_for_what_was_kept(world: World) -> None:
    """What the house holds in memory is counted across generations; what one kept for retries goes with it."""
    async with world.open() as talk:
        with world.openai.held():
            await talk.send("POST", CHAT, chat("gpt-4o-mini", stream=True))
            await world.openai.wait_asked()
            await talk.leave()
    await world.settle()
    load = world.house.foundation.load
    assert load.held_bytes > 0
    await world.house.reload()
    await eventually(lambda: not load.held_bytes, "the old generation's end")


async def test_an_idempotency_key_belongs_to_one_request(world: World) -> None:
    key = {"idempotency-key": "k1"}
    async with world.open() as talk:
        with world.openai.held():
            await talk.send("POST", CHAT, chat("gpt-4o-mini", "one"), key)
            await world.openai.wait_asked()
            other = await world.ask("gpt-4o-mini", "two", headers=key)
        await talk.receive()
    assert (other.status, other.error["code"]) == (400, "idempotency_mismatch")
    assert (await world.ask("gpt-4o-mini", "two", headers=key)).status == 200


async def test_another_request_of_the_same_words_is_no_retry(world: World) -> None:
    async with world.open() as talk, world.open() as other:
        with world.openai.held():
            await talk.send("POST", CHAT, chat("gpt-4o-mini"))
            await world.openai.wait_asked()
            await other.send("POST", CHAT, chat("gpt-4o-mini"), {"x-stainless-retry-count": "0"})
            await world.openai.wait_asked(2)
        await talk.receive()
        await other.receive()
    assert len(await world.rows()) == 2


async def test_a_drain_has_its_time_and_no_more(tmp_path: Path) -> None:
    async with open_world(tmp_path, "[server]\nleave_drain_s = 0.1\n") as world, world.open() as talk:
        with world.openai.held():
            await talk.send("POST", CHAT, chat("gpt-4o-mini", stream=True))
            await world.openai.wait_asked()
            await talk.leave()
            await world.openai.wait_left()
        row = await world.row()
        assert row.outcome == "client_left"
        assert row.cost_nano_usd == row.unknown_nano_usd > world.openai.bill_nano_usd


async def test_a_paid_upstream_that_is_told_to_stop_is_charged_at_its_hold(tmp_path: Path) -> None:
    async with open_world(tmp_path, '[upstreams.openai]\non_client_leave = "cancel"\n') as world:
        with world.openai.held(after=6):
            async with world.open() as talk:
                await talk.send("POST", CHAT, chat("gpt-4o-mini", stream=True))
                await talk.receive_until(b'"ulat"')
                await talk.leave()
                await world.openai.wait_left()
        told = await world.explain((await world.row()).id)
        (attempt,) = told.attempts
        assert (attempt.state, attempt.cost_nano_usd) == ("unknown", attempt.held_nano_usd)
        assert told.request.cost_nano_usd >= world.openai.bill_nano_usd > 0


async def test_who_leaves_twice_is_drained_once(tmp_path: Path) -> None:
    """The retry of a client that left attaches to the drain, and leaves too: it is still that one drain."""
    async with open_world(tmp_path, "[server]\nleave_drains = 1\n") as world:
        retry = {"x-stainless-retry-count": "1"}
        with world.openai.held():
            async with world.open() as first:
                await first.send("POST", CHAT, chat("gpt-4o-mini"))
                await world.openai.wait_asked()
                (flight,) = world.house.runtime.flights._by_key.values()
                await first.leave()
                await eventually(lambda: not flight.subscribers, "the first client's end")
                async with world.open() as again:
                    await again.send("POST", CHAT, chat("gpt-4o-mini"), retry)
                    await world.wait_open(2)
                    await again.leave()
                    await eventually(lambda: not flight.subscribers, "the retry's end")
        await world.settle()
        assert (world.openai.asked, world.openai.app.left) == (1, 0)
        assert sum(row.cost_nano_usd for row in await world.rows()) == world.openai.bill_nano_usd > 0
