"""Defects that a slow upstream or a client that leaves a card would bring to light; the checks must see each."""

from pathlib import Path

import pytest
import trio
from trio.testing import MockClock

from lodestard.pipeline import Settlement
from lodestard.residency.card import Card
from lodestard.residency.mover import Mover
from lodestard.residency.place import CardPlace
from lodestard.residency.state import Load, Visit
from lodestard.upstream import host_calls
from lodestard.upstream.connection import Connection
from tests.faults import test_resets_at_card as resets
from tests.faults import test_slow_card as cards
from tests.faults import test_slow_upstream as upstreams
from tests.faults.planted.finding import found
from tests.faults.still import CODER, IDLE_S, LOAD_S, open_still

STALLED = upstreams.Case("paid", True, "stall=5", IDLE_S)


async def slow_upstream(folder: Path, case: upstreams.Case) -> None:
    async with open_still(folder) as still:
        await upstreams.meet(still, case)


async def slow_card(folder: Path, case: cards.Case) -> None:
    async with open_still(folder, cards.PACED) as still:
        assert (await still.ask("llama"))[0].succeeded
        await cards.meet(still, case)


async def leave_a_card(folder: Path, at_s: float) -> None:
    async with open_still(folder, cards.PACED) as still:
        await resets.get_ready(still, "llama")
        await resets.leave(still, "coder", at_s, stream=True)
        await resets.check(still, "llama", "coder", at_s)


async def test_a_deadline_that_is_late(
    ram_path: Path, autojump_clock: MockClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    receive = Connection.receive

    async def receive_late(self: Connection, due_s: float) -> None:
        await receive(self, due_s + 0.5)

    monkeypatch.setattr(Connection, "receive", receive_late)
    with found("given up after 10.5"):
        await slow_upstream(ram_path, STALLED)


async def test_a_hold_that_is_released_though_it_may_be_billed(
    ram_path: Path, autojump_clock: MockClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    def release(self: Settlement, _kind: object, error: BaseException | None, _trace: object) -> None:
        if error is None:
            self.record.cost_nano_usd = self.ledger.capture(self.attempt, self.flight.draft.usage)
        else:
            self.ledger.release(self.attempt, "planted")

    monkeypatch.setattr(Settlement, "__exit__", release)
    with found("charged 0"):
        await slow_upstream(ram_path, STALLED)


async def test_an_answer_of_a_byte_a_second_that_is_waited_for(
    ram_path: Path, autojump_clock: MockClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(host_calls, "BODY_S", 1_000.0)
    with found("at most 15.0 s"):
        await slow_card(ram_path, cards.Case("load", "dribble=1", cards.SWAP_S + 10, fails=True))


async def test_a_load_without_a_limit(
    ram_path: Path, autojump_clock: MockClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    limit = host_calls.HostCalls.limit
    monkeypatch.setattr(host_calls.HostCalls, "limit", lambda self, limit_s, what: limit(self, 10 * limit_s, what))
    with found("at most 35.0 s"):
        await slow_card(ram_path, cards.Case("load", "hang", cards.SWAP_S + LOAD_S, fails=True))


async def test_a_load_that_ends_with_whoever_asked_for_it(
    ram_path: Path, autojump_clock: MockClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    forget = Card.forget

    def abort(self: Card, visit: Visit) -> None:
        if self.state.loading is not None:
            self.state.loading.scope.cancel()
        forget(self, visit)

    monkeypatch.setattr(Card, "forget", abort)
    with found("a load was aborted"):
        await leave_a_card(ram_path, 5.0)


async def test_a_place_that_is_not_given_back(
    ram_path: Path, autojump_clock: MockClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(CardPlace, "_give_up", lambda _self, _visit: None)
    with found("it has a place still"):
        await leave_a_card(ram_path, 0.5)


async def test_a_failed_load_that_is_not_told_of(
    ram_path: Path, autojump_clock: MockClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    load_it = Mover._load

    async def give_up(self: Mover, load: Load) -> None:
        if load.model == CODER:
            await trio.sleep(LOAD_S)
        else:
            await load_it(self, load)

    monkeypatch.setattr(Mover, "_load", give_up)
    with found("at most 35.0 s"):
        await slow_card(ram_path, cards.Case("load", "hang", cards.SWAP_S + LOAD_S, fails=True))
