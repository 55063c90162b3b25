"""Money where things meet: who leaves before it is spent, who comes back for it, and what no price was given for."""

import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
import trio

from lodestard.domain.errors import Code, HouseFault
from tests.fakes.world import CHAT, World, chat, eventually, open_world


async def test_nobody_is_asked_next_for_a_client_that_left(world: World) -> None:
    world.openai.fail("cut=10")
    with world.openai.held():
        async with world.open() as talk:
            await talk.send("POST", CHAT, chat("paid-first"))
            await world.openai.wait_asked()
            await talk.leave()
            (flight,) = world.house.runtime.flights._by_key.values()
            await eventually(lambda: flight.left, "its leaving")
    await world.settle()
    assert world.xai.asked == 0


async def test_what_waits_for_its_turn_is_not_dialled_after_its_client_left(tmp_path: Path) -> None:
    async with open_world(tmp_path, "[upstreams.openai]\nconcurrency = 1\n") as world:
        with world.openai.held():
            async with world.open() as first, world.open() as second:
                await first.send("POST", CHAT, chat("gpt-4o-mini", "one"))
                await world.openai.wait_asked()
                await second.send("POST", CHAT, chat("gpt-4o-mini", "two"))
                await world.wait_open(2)
                await second.leave()
                await eventually(lambda: world.ledger.totals().open_requests == 1, "the end of the second")
                world.openai.app.gate.set()  # type: ignore[union-attr]
                assert (await first.receive()).status == 200
        assert world.openai.asked == 1
        assert sorted(row.cost_nano_usd > 0 for row in await world.rows()) == [False, True]


async def test_each_idempotency_key_finds_its_own_answer(world: World) -> None:
    """Two equal requests with a key each are two answers, and each one's retry finds its own."""
    async with world.open() as one, world.open() as two, world.open() as again:
        with world.openai.held():
            for count, (talk, key) in enumerate(((one, "k1"), (two, "k2")), 1):
                await talk.send("POST", CHAT, chat("gpt-4o-mini"), {"idempotency-key": key})
                await world.openai.wait_asked(count)
            await one.leave()
            await again.send("POST", CHAT, chat("gpt-4o-mini"), {"idempotency-key": "k1"})
            await world.wait_open(3)
        retried = await again.receive()
        await two.receive()
    assert (retried.status, retried.lodestar["cache"], world.openai.asked) == (200, "hit", 2)


async def test_a_retry_finds_its_flight_though_the_route_has_changed(world: World) -> None:
    """The first upstream went down meanwhile: still the same request, and its key is no mismatch."""
    key = {"idempotency-key": "k1"}
    async with world.open() as talk, world.open() as again:
        with world.openai.held():
            await talk.send("POST", CHAT, chat("paid-first"), key)
            await world.openai.wait_asked()
            with world.house.runtime.hooks.is_up.provide(lambda name: name != "openai"):
                await again.send("POST", CHAT, chat("paid-first"), key)
                await world.wait_open(2)
        answer = await again.receive()
        await talk.receive()
    assert (answer.status, world.openai.asked, world.xai.asked) == (200, 1, 0)


@pytest.mark.repeats
async def test_an_answer_that_landed_unread_waits_for_the_retry_too(world: World) -> None:
    """The client is slow and leaves after the upstream has ended: it has paid all the same."""
    world.openai.say("word " * 15_000)
    async with world.open() as talk:
        await talk.send("POST", CHAT, chat("gpt-4o-mini", stream=True))
        await talk.receive_head()
        await eventually(lambda: not world.house.runtime.flights.under_way, "the landing")
        await trio.sleep(0.05)
        await talk.leave()
    await world.settle()
    retry = await world.ask("gpt-4o-mini", stream=True, headers={"x-stainless-retry-count": "1"})
    assert (retry.status, retry.lodestar["cache"], world.openai.asked) == (200, "hit", 1)


@pytest.mark.parametrize(
    ("member", "value"),
    [
        ("service_tier", "priority"),
        ("web_search_options", {}),
        ("search_parameters", {"mode": "on"}),
        ("modalities", ["text", "audio"]),
        ("models", ["o1-pro"]),
        ("plugins", [{"id": "web"}]),
        ("tools", [{"type": "web_search"}]),
    ],
)
async def test_what_no_price_was_given_for_is_refused_where_it_is_billed(
    world: World, member: str, value: Any
) -> None:
    refused = await world.ask("gpt-4o-mini", **{member: value})
    assert (refused.status, refused.error["code"], refused.error["param"]) == (400, "price_unknown", member)
    assert world.openai.asked == 0


async def test_what_two_readers_would_read_differently_is_not_priced(world: World) -> None:
    part = b'{"type":"image_url","image_url":{"url":"https://127.0.0.1/x.png"},"type":"text","text":"hi"}'
    body = b'{"model":"%s","messages":[{"role":"user","content":[' + part + b"]}]}"
    headers = {"content-type": "application/json", "content-length": str(len(body) - 2 + len("gpt-4o-mini"))}
    refused = await world.request("POST", CHAT, body % b"gpt-4o-mini", headers)
    assert (refused.status, refused.error["code"], refused.error["param"]) == (400, "invalid_request", "messages")
    assert world.openai.asked == 0


async def test_what_costs_nothing_more_passes(world: World) -> None:
    harmless: list[dict[str, Any]] = [{"service_tier": "flex"}, {"modalities": ["text"]}, {"models": None}]
    for members in harmless:
        assert (await world.ask("gpt-4o-mini", **members)).status == 200


async def test_a_free_model_answers_where_the_ledger_can_hold_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    overlay = '[models.paid-then-free]\nroute = ["openai/gpt-4o-mini", "t600/llama3.1:8b"]\n'

    async def refuse(*_: object) -> None:
        raise HouseFault(Code.STORE_UNAVAILABLE, "the disk is full")

    async with open_world(tmp_path, overlay) as world:
        with monkeypatch.context() as patched:
            patched.setattr(world.ledger._store, "commit", refuse)
            answer = await world.ask("paid-then-free")
            assert (answer.status, answer.lodestar["model"]) == (200, "t600/llama3.1:8b")
        assert world.openai.asked == 0


QUOTING = "status=400;message=bad input: my secret prompt"


@pytest.mark.parametrize(("alias", "fault"), [("gpt-4o-mini", QUOTING), ("local-llama", QUOTING)])
async def test_a_provider_that_quotes_the_prompt_does_not_bring_it_into_the_ledger(
    tmp_path: Path, alias: str, fault: str
) -> None:
    async with open_world(tmp_path) as world:
        world.upstreams["openai" if alias.startswith("gpt") else "ollama"].fail(fault)
        answer = await world.ask(alias, "my secret prompt")
        assert "bad input" in answer.error["message"]  # the client may know: it was its own
        await world.settle()
        assert "secret" not in str((await world.explain(answer)).trace)
    with closing(sqlite3.connect(tmp_path / "state" / "ledger.db")) as database:
        assert not [row for row in database.execute("SELECT body FROM trace") if "secret" in row[0]]


@pytest.mark.parametrize("model", ["t600/a\r\nset-cookie: b", "t600/ä\x00", "t600/模型"])
async def test_a_model_s_odd_name_breaks_no_head(world: World, model: str) -> None:
    answer = await world.ask(model)
    assert (answer.status, answer.error["param"] in (None, "model")) == (404, True)
    assert "set-cookie" not in answer.headers


async def test_a_reload_while_the_house_drains_is_refused(tmp_path: Path) -> None:
    async with open_world(tmp_path) as world:
        generation = world.house.generation
        world.house.draining = True
        with pytest.raises(HouseFault):
            await world.house.reload()
        assert world.house.generation is generation
        world.house.draining = False
