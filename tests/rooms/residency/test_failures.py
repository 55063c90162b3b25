"""What goes wrong with a load, an unload or a look, and who hears of it."""

import itertools
import logging
from collections.abc import Callable
from typing import Any

import msgspec
import pytest
import trio

from lodestard.domain.errors import UpstreamFault
from lodestard.domain.host_ports import ModelHost
from lodestard.domain.settings import LocalModel
from lodestard.domain.upstream import Target
from lodestard.residency.room import HELD_S, MOST_PAUSE_S, RESTART_PAUSE_S, next_pause_s
from lodestard.simulator.exchange import Exchange, Refusal
from tests.fakes.card_house import (
    CODER,
    LLAMA,
    CardHouse,
    check_state,
    counts,
    make_settings,
    make_upstream,
    open_card_house,
)

LONG = "100 words"


def failing_loads(house: CardHouse, fault: Callable[[], Exception | None], model: str = CODER) -> None:
    """Loads of ``model`` end with ``fault()``, as long as it gives one."""
    app = house.server.app
    answer = app.answer

    async def answer_or_fail(exchange: Exchange) -> None:
        body = msgspec.json.decode(exchange.request.body) if exchange.request.body else {}
        is_load = body.get("model") == model and body.get("messages") == [] and body.get("keep_alive") != 0
        if is_load and (error := fault()) is not None:
            await trio.sleep(1.0)
            raise error
        await answer(exchange)

    app.answer = answer_or_fail  # type: ignore[method-assign]


@pytest.mark.parametrize(
    ("status", "code"),
    [
        (404, "upstream_model_missing"),
        (500, "upstream_error"),
        (503, "upstream_rate_limited"),
        (400, "upstream_rejected"),
    ],
)
async def test_a_load_that_fails_reaches_exactly_who_waits_for_it(
    autojump_clock: object, status: int, code: str
) -> None:
    async with open_card_house() as house:
        await house.ask(LLAMA)
        failing_loads(house, lambda: Refusal(status, f"model '{CODER}' not found"))
        failed = [house.start(CODER) for _ in range(3)]
        await trio.sleep(1.5)  # the card has been cleared for it
        later = house.start(LLAMA)
        for told in failed:
            await told.wait()
            assert told.code == code
            assert isinstance(told.fault, UpstreamFault)
            assert (told.fault.sent, told.fault.billed, told.fault.upstream) == (False, False, "t600")
            assert told.fault.status == status
            assert not told.sent
        assert len({id(told.fault) for told in failed}) == 3, "one fault for several is changed by each of them"
        assert (await later.wait()).ok
        check_state(house)


async def test_a_model_that_the_server_lacks(autojump_clock: object) -> None:
    async with open_card_house() as house:
        told = await house.ask("mixtral:8x7b")
        assert told.code == "upstream_model_missing"
        assert house.resident == set()
        assert (await house.ask(LLAMA)).ok


async def test_a_server_that_is_not_there(autojump_clock: object) -> None:
    async with open_card_house(before=lambda house: house.server.restart(down_s=100.0)) as house:
        told = await house.ask()
        assert (told.code, told.ended_s) == ("upstream_unreachable", 0.0)
        state = check_state(house)
        assert (state.step, state.reachable) == ("unreachable", False)
        assert "can't be reached" in state.problem
        await trio.sleep(115)
        assert house.state().reachable is True
        assert house.state().problem == ""
        assert (await house.ask()).ok
        assert "restarts" not in counts(house)  # it had never been there


async def test_a_load_that_takes_too_long(autojump_clock: object) -> None:
    settings = make_settings({"t600": make_upstream(load_timeout_s=2.0)})
    async with open_card_house(settings, aborted=1) as house:
        told = await house.ask()
        assert told.code == "upstream_timeout"
        assert told.ended_s == pytest.approx(2.0, abs=0.1)
        assert isinstance(told.fault, UpstreamFault)
        assert (told.fault.sent, told.fault.billed) == (False, False)


async def test_a_failed_load_is_tried_again_for_the_next_who_asks(autojump_clock: object) -> None:
    failures: list[Exception | None] = [Refusal(500, "out of memory")]
    async with open_card_house() as house:
        failing_loads(house, lambda: failures.pop() if failures else None)
        assert (await house.ask(CODER)).code == "upstream_error"
        assert (await house.ask(CODER)).ok


async def test_a_guess_that_failed_is_not_tried_again_at_once(autojump_clock: object) -> None:
    asked: list[float] = []

    def fail() -> Exception:
        asked.append(trio.current_time())
        return Refusal(500, "out of memory")

    settings = make_settings(models={CODER: LocalModel(warm=True)})
    async with open_card_house(settings) as house:
        failing_loads(house, fail)
        await trio.sleep(200)
        assert len(asked) in (3, 4)
        assert min(later - earlier for earlier, later in itertools.pairwise(asked)) >= 60


async def test_a_load_whose_server_restarts(autojump_clock: object) -> None:
    """The load is cut; who waits goes on to the next candidate, and who asks next loads it anew."""
    async with open_card_house() as house:
        told = house.start()
        await trio.sleep(2)
        house.server.restart(down_s=3.0)
        await told.wait()
        assert told.code in ("upstream_cut", "upstream_unreachable")
        await trio.sleep(20)
        assert (await house.ask()).ok


async def test_an_unload_that_fails_is_no_end(autojump_clock: object) -> None:
    async with open_card_house() as house:
        await house.ask(LLAMA)
        app, answer = house.server.app, house.server.app.answer

        async def fail_unloads(exchange: Exchange) -> None:
            if b'"keep_alive":0' in exchange.request.body:
                app.answer = answer  # type: ignore[method-assign]
                raise Refusal(500, "no")
            await answer(exchange)

        app.answer = fail_unloads  # type: ignore[method-assign]
        assert (await house.ask(CODER)).ok
        await trio.sleep(30)
        assert house.resident == house.server.loaded


async def test_the_verb_says_that_an_unload_failed(autojump_clock: object) -> None:
    async with open_card_house() as house:
        await house.ask(LLAMA)
        app, answer = house.server.app, house.server.app.answer

        async def fail_unloads(exchange: Exchange) -> None:
            if b'"keep_alive":0' in exchange.request.body:
                raise Refusal(500, "no")
            await answer(exchange)

        app.answer = fail_unloads  # type: ignore[method-assign]
        with pytest.raises(UpstreamFault) as caught:
            await house.room.unload(Target("t600", LLAMA))
        assert caught.value.code == "upstream_error"
        await trio.sleep(1)
        assert house.resident == house.server.loaded == {LLAMA}


# -- a defect in the hands -----------------------------------------------------------------------------------------


class Clumsy:
    """A host that breaks where ``breaks`` says so."""

    def __init__(self, host: ModelHost, breaks: set[str]) -> None:
        self._host = host
        self._breaks = breaks

    def __getattr__(self, name: str) -> Any:
        if name in self._breaks:
            self._breaks.discard(name)

            async def broken(*_arguments: object) -> None:
                await trio.sleep(0.5)
                raise ZeroDivisionError(name)

            return broken
        return getattr(self._host, name)


@pytest.mark.parametrize("what", ["version", "loaded", "load", "unload", "installed"])
async def test_a_defect_in_the_host_is_no_end(
    autojump_clock: object, caplog: pytest.LogCaptureFixture, what: str
) -> None:
    breaks: set[str] = {what} if what in ("version", "installed") else set()

    def clumsy(house: CardHouse) -> None:
        house.wrap = lambda host: Clumsy(host, breaks)

    async with open_card_house(before=clumsy) as house:
        if not breaks:
            await house.ask(CODER)
            breaks.add(what)
        told = house.start(LLAMA)
        await told.wait()
        assert told.ok or told.code == "upstream_busy"
        await trio.sleep(20)
        assert not breaks
        assert (await house.ask(LLAMA)).ok
        assert (await house.ask(CODER)).ok
        check_state(house)
    (record,) = [record for record in caplog.records if record.levelno >= logging.ERROR]
    assert "the card of t600 failed" in record.getMessage()


async def test_a_defect_lets_go_of_whoever_waits_for_an_unload(
    autojump_clock: object, caplog: pytest.LogCaptureFixture
) -> None:
    breaks: set[str] = set()

    def clumsy(house: CardHouse) -> None:
        house.wrap = lambda host: Clumsy(host, breaks)

    async with open_card_house(before=clumsy) as house:
        await house.ask(LLAMA)
        breaks.add("unload")
        with trio.fail_after(RESTART_PAUSE_S + 1), pytest.raises(UpstreamFault):
            await house.room.unload(Target("t600", LLAMA))
        await trio.sleep(2)
        assert await house.room.unload(Target("t600", LLAMA)) is True
        assert house.server.loaded == set()
    assert "ZeroDivisionError" in caplog.text


async def test_a_running_request_survives_a_defect(autojump_clock: object, caplog: pytest.LogCaptureFixture) -> None:
    breaks: set[str] = set()

    def clumsy(house: CardHouse) -> None:
        house.wrap = lambda host: Clumsy(host, breaks)

    settings = make_settings(poll_s=2.0)
    async with open_card_house(settings, before=clumsy) as house:
        told = house.start(LLAMA, LONG)
        await trio.sleep(5)
        breaks.add("loaded")
        await told.wait()
        assert told.ok
        assert (await house.ask(LLAMA)).ok
        assert house.server.loads == [LLAMA]
    assert "ZeroDivisionError" in caplog.text


class Hopeless(set[str]):
    """Everything breaks, until it is ``mended``."""

    mended = False

    def __contains__(self, _name: object) -> bool:
        return not self.mended


def breaking(breaks: set[str]) -> Callable[[CardHouse], None]:
    def clumsy(house: CardHouse) -> None:
        house.wrap = lambda host: Clumsy(host, breaks)

    return clumsy


async def test_a_host_that_breaks_for_ever_keeps_nobody_waiting(
    autojump_clock: object, caplog: pytest.LogCaptureFixture
) -> None:
    async with open_card_house(before=breaking(Hopeless())) as house:
        first = await house.ask()
        assert (first.code, first.ended_s) == ("upstream_busy", 0.5)
        for _ in range(600):
            await trio.sleep(1)
            told = await house.ask()
            assert told.fault is not None
            assert told.fault.message.startswith("What keeps the card of t600 has failed")
            assert (told.code, told.ended_s) == ("upstream_busy", told.asked_s)
        assert house.state().problem.startswith("What keeps the card of t600 has failed")
        assert house.card().predict_for(LLAMA, 100) is None
    assert 20 <= caplog.text.count("ZeroDivisionError: ") <= 25


async def test_a_host_that_is_whole_again_is_kept_as_before(
    autojump_clock: object, caplog: pytest.LogCaptureFixture
) -> None:
    breaks = Hopeless()
    async with open_card_house(before=breaking(breaks)) as house:
        await trio.sleep(100)
        breaks.mended = True
        await trio.sleep(MOST_PAUSE_S)
        assert (await house.ask()).ok
        assert house.state().problem == ""
        await trio.sleep(HELD_S)
        breaks.mended = False
        assert (await house.ask(CODER)).code == "upstream_busy"
        await trio.sleep(RESTART_PAUSE_S + 1)
        breaks.mended = True
        await trio.sleep(2 * RESTART_PAUSE_S + 1)
        assert (await house.ask(CODER)).ok, "it had held, so its pauses are short again"


async def test_a_model_in_memory_answers_while_nobody_keeps_its_card(
    autojump_clock: object, caplog: pytest.LogCaptureFixture
) -> None:
    breaks = Hopeless()
    breaks.mended = True
    async with open_card_house(before=breaking(breaks)) as house:
        await house.ask(LLAMA)
        breaks.mended = False
        assert (await house.ask(CODER)).code == "upstream_busy"
        running = house.start(LLAMA, LONG)
        await trio.sleep(1)
        assert running.begun_s == running.asked_s
        assert (await house.ask(LLAMA)).code == "upstream_busy"
        assert (await running.wait()).ok


@pytest.mark.parametrize(
    ("before_s", "held_s", "pause_s"),
    [(0.0, 0.5, 1.0), (1.0, 0.5, 2.0), (16.0, 0.5, 30.0), (30.0, 0.5, 30.0), (30.0, 59.9, 30.0), (30.0, 60.0, 1.0)],
)
def test_pauses_grow_while_nothing_holds(before_s: float, held_s: float, pause_s: float) -> None:
    assert next_pause_s(before_s, held_s) == pause_s
