"""What is bounded: places on a host, answers, and the patience with a client that doesn't read."""

from pathlib import Path

import pytest
import trio

from tests.fakes.world import CHAT, Answer, World, chat, open_world

ONE_PLACE = "[upstreams.t600]\nconcurrency = 1\n"


async def test_a_host_with_one_place_is_asked_one_thing_at_a_time(tmp_path: Path) -> None:
    answers: list[Answer] = []

    async with open_world(tmp_path, ONE_PLACE) as world, trio.open_nursery() as nursery:

        async def ask(text: str) -> None:
            answers.append(await world.ask("local-llama", text))

        with world.ollama.held():
            for text in ("one", "two", "three"):
                nursery.start_soon(ask, text)
            await world.wait_open(3)
            await world.ollama.wait_asked()
            assert (world.ollama.asked, world.ollama.app.under_way) == (1, 1)
        with trio.fail_after(5):
            while len(answers) < 3:
                assert world.ollama.app.under_way <= 1
                await trio.sleep(0.001)
        assert [answer.status for answer in answers] == [200] * 3


async def test_who_leaves_gives_the_place_back(tmp_path: Path) -> None:
    async with open_world(tmp_path, ONE_PLACE) as world, world.open() as first, world.open() as waiting:
        async with world.open() as last:
            with world.ollama.held():
                await first.send("POST", CHAT, chat("local-llama", "one"))
                await world.ollama.wait_asked()
                await waiting.send("POST", CHAT, chat("local-llama", "two"))
                await world.wait_open(2)
                await last.send("POST", CHAT, chat("local-llama", "three"))
                await world.wait_open(3)
                await waiting.leave()  # in the queue
                await first.leave()  # at the model
                await world.ollama.wait_left()
            assert (await last.receive()).status == 200
        assert world.ollama.asked == 2
        assert sorted(row.outcome for row in await world.rows()) == ["client_left", "client_left", "ok"]


async def test_a_client_that_does_not_read_is_not_waited_for(tmp_path: Path) -> None:
    overlay = "[server.limits]\nwrite_timeout_s = 0.2\n"
    async with open_world(tmp_path, overlay) as world, world.open() as talk:
        world.ollama.fail("big_event=12000000")
        with world.ollama.held(after=2):
            await talk.send("POST", CHAT, chat("local-llama", stream=True))
            await world.ollama.wait_left()
        assert (await world.row()).outcome == "client_left"


async def test_an_event_without_end_is_given_up(world: World) -> None:
    world.openai.fail("big_event=17900000")
    answer = await world.ask("gpt-4o-mini", stream=True)
    assert (answer.status, answer.error["code"]) == (502, "upstream_garbage")


@pytest.mark.repeats
async def test_a_large_prompt_and_a_large_answer_pass(world: World) -> None:
    prompt, said = "p" * 2_000_000, "s" * 200_000
    world.openai.say(said)
    answer = await world.ask("gpt-4o-mini", prompt[:400_000], stream=True, max_tokens=16_000)
    assert answer.text == said[:64_000]
    world.openai.say("short")
    refused = await world.ask("gpt-4o-mini", prompt)
    assert (refused.status, refused.error["code"]) == (400, "context_length_exceeded")
    assert (await world.rows())[-1].cost_nano_usd == 0


async def test_a_hundred_at_once(world: World) -> None:
    answers: list[Answer] = []

    async def ask(number: int) -> None:
        alias = ("local-llama", "gpt-4o-mini", "grok-beta", "gemini-pro")[number % 4]
        answers.append(await world.ask(alias, f"question {number // 2}", stream=number % 3 == 0, temperature=0))

    async with trio.open_nursery() as nursery:
        for number in range(100):
            nursery.start_soon(ask, number)
    assert {(answer.status, answer.ended) for answer in answers} == {(200, "whole")}
    rows = await world.rows()
    assert len(rows) == len({row.id for row in rows}) == 100
    assert sum(row.cost_nano_usd for row in rows) == sum(each.bill_nano_usd for each in world.upstreams.values())
