"""A model whose options have changed is loaded anew, before its next request and never within one."""

import json
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from typing import Any

import pytest
import trio
from trio.testing import MockClock

from lodestard.domain.errors import CallerFault, Code
from lodestard.domain.host_ports import ModelHost
from lodestard.domain.request import Caller, Conversation, Message, Request, TextPart
from lodestard.domain.residency import Ask, HostState, ModelState
from lodestard.domain.settings import Residency as Policy
from lodestard.domain.settings import Settings, Upstream
from lodestard.domain.upstream import Target
from lodestard.residency.card import Card
from lodestard.residency.room import Residency, open_residency
from lodestard.simulator.server import Simulator
from lodestard.simulator.wire import Request as SimRequest
from lodestard.simulator.world import simulate_ollama
from lodestard.upstream.model_host import open_model_host
from tests.fakes.model_hosts import CODER, LLAMA, PACED, WALL_NS, upstream
from tests.fakes.rooms import TrioClock
from tests.fakes.sim_client import SimClient
from tests.fakes.sim_dial import dialler

MOONDREAM = "moondream:1.8b"
LOAD_S, UNLOAD_S = 4.0, 1.0


@dataclass
class Bench:
    """A residency before a simulated server, and a way past it."""

    room: Residency
    simulator: Simulator
    beside: SimClient
    loads: list[dict[str, Any]]

    @property
    def card(self) -> Card:
        return self.room._keepers["t600"].card

    @property
    def state(self) -> HostState:
        return self.room.state("t600")

    def model(self, name: str) -> ModelState:
        return next(model for model in self.state.models if model.model == name)

    def configure(self, **settings: Any) -> None:
        self.room.configure(settle(**settings), {})

    @asynccontextmanager
    async def seat(self, model: str, text: str = "hello") -> AsyncIterator[int | None]:
        """A request's place; its room for the answer."""
        place = self.room.place(ask(model, text))
        assert place is not None
        async with place as seat:
            yield seat.room_tokens

    async def loaded(self) -> dict[str, int]:
        """What the server has in memory, with its context."""
        listed = (await self.beside.ask("GET", "/api/ps")).json["models"]
        return {one["name"]: one["context_length"] for one in listed}

    async def reloads(self) -> int:
        """How often the server had to load a model anew that was there with other options."""
        return int((await self.beside.ask("GET", "/__sim/meter")).json["reloads"])


def settle(*, context: int = 4096, **more: Any) -> Settings:
    host = upstream(keep_alive="30m", options={"num_ctx": context, "temperature": 0.5}, **more)
    return Settings(upstreams={"t600": host}, residency=Policy(predict=False))


def ask(model: str, text: str) -> Ask:
    talk = Conversation(messages=(Message(role="user", parts=(TextPart(text),)),))
    request = Request(
        dialect="openai",
        alias=model,
        stream=False,
        include_usage=False,
        members={},
        conversation=talk,
        size_bytes=len(text),
    )
    return Ask(target=Target("t600", model), request=request, caller=Caller(principal="local"))


@asynccontextmanager
async def bench(**settings: Any) -> AsyncIterator[Bench]:
    simulator = simulate_ollama(PACED, wall_ns=lambda: WALL_NS + int(trio.current_time() * 1e9))
    loads: list[dict[str, Any]] = []
    answer = simulator.app.answer

    async def watched(exchange: Any) -> None:
        note(exchange.request)
        await answer(exchange)

    def note(request: SimRequest) -> None:
        body = json.loads(request.body or b"{}")
        if request.path == "/api/chat" and body["messages"] == [] and body.get("keep_alive") != 0:
            loads.append(body)

    simulator.app.answer = watched  # type: ignore[method-assign]
    async with trio.open_nursery() as nursery:
        dial = dialler(simulator, nursery)

        def open_host(name: str, host: Upstream, key: str) -> AbstractAsyncContextManager[ModelHost]:
            return open_model_host(name, host, key, dial=dial)

        async with open_residency(open_host, TrioClock()) as room:
            room.configure(settle(**settings), {})
            await trio.sleep(1)
            yield Bench(room, simulator, SimClient(await simulator.opener(nursery)()), loads)
        nursery.cancel_scope.cancel()
    assert simulator.crashes == []


async def test_it_is_loaded_anew_as_soon_as_all_is_quiet(autojump_clock: MockClock) -> None:
    async with bench() as it:
        async with it.seat(LLAMA):
            assert await it.loaded() == {LLAMA: 4096}
            it.configure(context=8192)
            await trio.sleep(20)
            assert await it.loaded() == {LLAMA: 4096}, "it went in the midst of an answer"
        await trio.sleep(UNLOAD_S + LOAD_S + 1)
        assert await it.loaded() == {LLAMA: 8192}
        assert it.model(LLAMA).context_tokens == 8192
        assert [load["options"]["num_ctx"] for load in it.loads] == [4096, 8192]
        assert [swap.why for swap in it.state.swaps] == ["a request", "it has other options now"]
        assert await it.reloads() == 0
        assert (it.state.counts.swaps, it.state.counts.unplanned) == (0, 0)


async def test_whoever_comes_before_that_waits_for_the_new_one(autojump_clock: MockClock) -> None:
    async with bench() as it:
        async with it.seat(LLAMA):
            pass
        it.configure(context=8192)
        place = it.room.place(ask(LLAMA, "hello"))
        assert place is not None
        async with place:
            assert await it.loaded() == {LLAMA: 8192}
        assert any("loading llama3.1:8b took" in note for note in place.notes), place.notes
        assert not any("swap" in note for note in place.notes), place.notes
        assert await it.reloads() == 0


async def test_what_a_prompt_may_have_is_what_it_will_be_loaded_with(autojump_clock: MockClock) -> None:
    long = "word " * 6000  # about 6,600 tokens
    async with bench(context=8192) as it:
        async with it.seat(LLAMA, long):
            pass
        it.configure(context=4096)
        with pytest.raises(CallerFault) as caught:
            async with it.seat(LLAMA, long):
                pass
        assert caught.value.code is Code.CONTEXT_LENGTH_EXCEEDED
        it.configure(context=8192)
        async with it.seat(LLAMA, long) as room:
            assert room is not None


async def test_options_that_no_model_is_loaded_with_change_nothing(autojump_clock: MockClock) -> None:
    async with bench() as it:
        async with it.seat(LLAMA):
            pass
        host = settle().upstreams["t600"]
        it.room.configure(
            Settings(upstreams={"t600": Upstream(**{**dump(host), "options": {"num_ctx": 4096, "temperature": 1}})}),
            {},
        )
        await trio.sleep(30)
        assert len(it.loads) == 1


def dump(host: Upstream) -> dict[str, Any]:
    return {name: getattr(host, name) for name in host.__struct_fields__}


async def test_a_new_keep_alive_is_what_the_next_load_says(autojump_clock: MockClock) -> None:
    async with bench() as it:
        it.room.configure(Settings(upstreams={"t600": upstream(keep_alive="7m")}), {})
        async with it.seat(LLAMA):
            assert it.loads[-1]["keep_alive"] == "7m"


async def test_the_room_that_a_change_leaves_is_not_taken_from_whoever_got_it(autojump_clock: MockClock) -> None:
    async with bench() as it:
        async with it.seat(LLAMA):
            pass
        it.configure(context=8192)
        async with it.seat(CODER):
            pass
        await trio.sleep(60)
        assert await it.loaded() == {CODER: 8192}
        assert it.card.state.anew == set()


async def test_another_change_while_it_loads(autojump_clock: MockClock) -> None:
    async with bench() as it, trio.open_nursery() as nursery:
        nursery.start_soon(one, it, LLAMA)
        await trio.sleep(1)
        it.configure(context=8192)
        await trio.sleep(2 * (UNLOAD_S + LOAD_S) + 2)
        assert await it.loaded() == {LLAMA: 8192}
        assert await it.reloads() == 0


async def one(it: Bench, model: str) -> None:
    async with it.seat(model):
        await trio.lowlevel.checkpoint()


async def test_a_model_that_somebody_else_has_loaded_otherwise(autojump_clock: MockClock) -> None:
    """Adopted at the start, and changed beside us later: loaded anew before the next request of ours."""
    async with bench() as it:
        await other(it, 2048)
        await trio.sleep(40)
        assert await it.loaded() == {LLAMA: 2048}, "what somebody else uses is left alone while nobody of ours asks"
        long = "word " * 2500  # more than 2,048 tokens
        async with it.seat(LLAMA, long):
            assert await it.loaded() == {LLAMA: 4096}
        await other(it, 16384)
        await trio.sleep(40)
        async with it.seat(LLAMA):
            assert await it.loaded() == {LLAMA: 4096}
        assert await it.reloads() == 1, "only the other one's own"


async def other(it: Bench, context: int) -> None:
    body = {"model": LLAMA, "messages": [], "options": {"num_ctx": context}, "keep_alive": "30m"}
    answer = await it.beside.ask("POST", "/api/chat", body)
    assert answer.status == 200


async def test_a_context_longer_than_it_was_trained_for_is_no_reason_to_load_again(autojump_clock: MockClock) -> None:
    async with bench() as it:
        for _ in range(3):
            async with it.seat(MOONDREAM):
                assert await it.loaded() == {MOONDREAM: 2048}
            await trio.sleep(40)
        assert len(it.loads) == 1
        assert it.model(MOONDREAM).context_tokens == 2048


async def test_unloaded_by_a_person_and_asked_for_again_is_no_swap(autojump_clock: MockClock) -> None:
    async with bench() as it:
        async with it.seat(LLAMA):
            pass
        assert await it.room.unload(Target("t600", LLAMA))
        async with it.seat(LLAMA):
            pass
        assert (it.state.counts.loads, it.state.counts.swaps) == (2, 0)
        assert [swap.left for swap in it.state.swaps] == ["", ""]


async def test_a_server_that_comes_back_as_another_one(autojump_clock: MockClock) -> None:
    async with bench() as it:
        async with it.seat(LLAMA):
            pass
        assert (it.state.version, it.state.counts.restarts) == ("0.33.0", 0)
        it.simulator.restart({"version": "0.34.1"})
        await trio.sleep(40)
        assert (it.state.version, it.state.counts.restarts) == ("0.34.1", 1)
        assert it.state.models == ()
        it.simulator.restart({"down_s": 40.0})
        await trio.sleep(90)
        assert (it.state.version, it.state.counts.restarts, it.state.reachable) == ("0.34.1", 2, True)
