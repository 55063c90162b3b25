"""Feedback over a real file: whose it is, what replaces what, what a restart remembers, what goes with a request."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from lodestard.domain.closing import Closing
from lodestard.domain.errors import CallerFault, Code
from lodestard.domain.feedback import HALF_LIFE_MS, WENT_ON, Feedback, Said, Turn, Verdict, tally_cells
from lodestard.domain.request import Caller
from lodestard.domain.upstream import Target
from lodestard.ledger import SCHEMA, Ledger, LedgerOptions, open_ledger
from lodestard.ledger.feedback import MOST_RECENT
from lodestard.store import FileStore, StoreOptions, open_store, run_inline
from tests.rooms.ledger.test_sessions import FakeClock

LLAMA, PAID = Target("t600", "llama3.1:8b"), Target("openai", "gpt-4o")
ANN = Caller(principal="ann", project="web", task="edit")
DAY_MS = 86_400_000


class House:
    """A ledger whose requests take no time."""

    def __init__(self, ledger: Ledger, store: FileStore, clock: FakeClock) -> None:
        self.ledger, self.store, self.clock = ledger, store, clock

    def ask(
        self, caller: Caller = ANN, target: Target | None = LLAMA, mark: int = 0, *, failed: tuple[Target, ...] = ()
    ) -> str:
        """A request that has ended; its id."""
        entry = self.ledger.open_entry(caller, "auto", dialect="openai", stream=False)
        closing = Closing(outcome="ok", status=200, cache="miss", target=target)
        self.ledger.close_entry(entry, closing)
        turn = Turn(
            request_id=entry.id, caller=entry.caller, target=target, whole=True, said=Said(mark=mark), failed=failed
        )
        self.ledger.feedback.note_turn(turn)
        return entry.id

    def judge(self, request_id: str, verdict: Verdict, principal: str | None = "ann", kind: str = "") -> None:
        self.ledger.feedback.judge(Feedback(request_id=request_id, verdict=verdict, kind=kind), principal)

    async def rows(self) -> list[tuple[str, str, str]]:
        await self.ledger.reports.requests(1)  # waits for what was posted
        return [(given.source, given.verdict, given.kind) for given in await self.ledger.feedback.latest(100)]


def counts(house: House, target: Target, kind: str) -> tuple[float, float]:
    return tally_cells(cell for cell in house.ledger.feedback.cells(target) if cell.kind == kind)


@asynccontextmanager
async def opened(path: Path, clock: FakeClock, retention_days: int = 90) -> AsyncIterator[House]:
    options = LedgerOptions(strict=True, retention_days=retention_days)
    async with (
        open_store(path, (SCHEMA,), options=StoreOptions(durable=True), clock=clock, run=run_inline) as store,
        open_ledger(store, clock, options=options) as ledger,
    ):
        yield House(ledger, store, clock)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "ledger.db"


async def test_who_judges_again_replaces_what_it_said(path: Path, autojump_clock: object) -> None:
    async with opened(path, FakeClock()) as house:
        asked = house.ask()
        house.judge(asked, "good")
        house.judge(asked, "good")
        assert counts(house, LLAMA, "edit") == (1.0, 0.0)
        house.judge(asked, "bad", kind="debug")
        assert counts(house, LLAMA, "edit") == (0.0, 0.0)
        assert counts(house, LLAMA, "debug") == (0.0, 1.0)
        assert await house.rows() == [("said", "bad", "debug")]


async def test_nobody_judges_the_requests_of_others_or_learns_that_there_are_any(
    path: Path, autojump_clock: object
) -> None:
    async with opened(path, FakeClock()) as house:
        asked = house.ask()
        refusals = []
        for request_id in (asked, "req_none"):
            with pytest.raises(CallerFault) as caught:
                house.judge(request_id, "bad", "bob")
            refusals.append((caught.value.code, caught.value.message))
        assert refusals[0] == refusals[1]
        assert refusals[0][0] is Code.NOT_FOUND
        house.judge(asked, "good", None)  # an administrator may
        unanswered = house.ask(target=None)
        with pytest.raises(CallerFault, match="Nobody has answered"):
            house.judge(unanswered, "bad")
        assert await house.rows() == [("said", "good", "edit")]


async def test_a_restart_remembers_and_what_is_old_has_faded(path: Path, autojump_clock: object) -> None:
    clock = FakeClock()
    async with opened(path, clock) as house:
        asked = house.ask()
        house.judge(asked, "good")
        house.ask(Caller(principal="bob", task="edit"), target=PAID, failed=(LLAMA,))
    clock.ms += HALF_LIFE_MS
    async with opened(path, clock) as house:
        assert counts(house, LLAMA, "edit") == pytest.approx((0.5, 0.25))
        assert counts(house, PAID, "edit") == (0.0, 0.0)
        house.judge(asked, "bad")  # by its row, for nobody remembers it
        assert counts(house, LLAMA, "edit") == pytest.approx((0.0, 1.25))
        assert [given.target for given in house.ledger.feedback.of_request(asked)] == [str(LLAMA)]


async def test_the_same_again_is_noted_with_its_source_and_beside_what_was_said(
    path: Path, autojump_clock: object
) -> None:
    async with opened(path, FakeClock()) as house:
        first = house.ask(mark=7)
        house.judge(first, "good")
        house.ask(mark=7)
        assert counts(house, LLAMA, "edit") == (1.0, 0.25)
        assert sorted(await house.rows()) == [("resent", "bad", "edit"), ("said", "good", "edit")]


async def test_an_answer_that_nobody_complains_of_counts_a_little_also_after_a_restart(
    path: Path, autojump_clock: object
) -> None:
    clock = FakeClock()
    async with opened(path, clock) as house:
        for mark in (7, 8, 8, 9):
            house.ask(mark=mark)
            clock.ms += 1_000
        expected = pytest.approx((2 * WENT_ON, 0.25), abs=1e-4)
        assert counts(house, LLAMA, "edit") == expected
        assert await house.rows() == [("resent", "bad", "edit")]  # what is usual has no row
    async with opened(path, clock) as house:
        assert counts(house, LLAMA, "edit") == expected


async def test_a_request_that_is_long_past_is_judged_by_its_row(path: Path, autojump_clock: object) -> None:
    async with opened(path, FakeClock()) as house:
        first = house.ask()
        house.judge(first, "good")
        for _ in range(MOST_RECENT):
            house.judge(house.ask(target=PAID), "bad")
        await house.rows()
        house.judge(first, "bad")
        assert counts(house, LLAMA, "edit") == (0.0, 1.0)


async def test_feedback_goes_with_its_request(path: Path, autojump_clock: object) -> None:
    clock = FakeClock()
    async with opened(path, clock, retention_days=1) as house:
        house.judge(house.ask(), "good")
        await house.rows()
        clock.ms += 3 * DAY_MS
        house.judge(house.ask(), "bad")
        await house.rows()
        await house.ledger.upkeep.tidy()
        assert await house.rows() == [("said", "bad", "edit")]
