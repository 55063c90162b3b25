"""``--keep-spent``: all that was spent is in the ledger afterwards, and once.

A request is written later than it is numbered, asks again after its end, or ends after the backup.
"""

import tempfile
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import apsw
import pytest
import trio
from hypothesis import given, settings
from hypothesis import strategies as st

from lodestard.backups import mark_ledger
from lodestard.domain.backup import Made
from lodestard.domain.clock import SystemClock
from lodestard.domain.closing import Closing
from lodestard.domain.errors import HouseFault
from lodestard.domain.feedback import Feedback
from lodestard.domain.request import Caller
from lodestard.domain.upstream import Candidate, Target
from lodestard.domain.usage import Usage
from lodestard.ledger import SCHEMA, Ledger
from lodestard.ledger.entry import Attempt, Entry
from lodestard.store import StoreOptions, open_snapshot, open_store
from tests.fakes.small_ledger import COST_NANO_USD, HOLD_NANO_USD, PAID, PRICE, opened_ledger, serve
from tests.rooms.store.test_backup import RULES, House, begin, nothing

USED = Usage(prompt_tokens=1_000)
CLOSED = Closing(outcome="ok", status=200, cache="miss", target=PAID.target, usage=USED)
LOCAL = Candidate(target=Target("ollama", "llama"), dialect="openai", price=PRICE, free=True, up=True)
CARRIED = (
    "request",
    "attempt",
    "posting",
    "trace",
    "session",
    "price_version",
    "feedback",
    "budget_act",
    "budget_alert",
    "reconciliation",
    "adjustment",
)


def rows_of(path: Path) -> dict[str, list[object]]:
    with open_snapshot(path) as snapshot:
        return {name: sorted(snapshot.read(f"SELECT * FROM {name}"), key=repr) for name in CARRIED}


def open_entry(ledger: Ledger) -> Entry:
    return ledger.open_entry(Caller(project="alpha"), "a", dialect="openai_chat", stream=False)


async def back_up(house: House, ledger: Ledger) -> Made:
    """As the daemon does: what was posted is waited for."""
    return await replace(house.room, settle=lambda: ledger.reports.requests(1)).make(RULES, nothing)


def keep(house: House, made: Made) -> tuple[int, int]:
    """Put it back with what was spent since; what the plan has told of that: requests, and nano-USD."""
    plan, done = house.restore(Path(made.backup.file), keep=True)
    assert plan is not None and done is not None
    assert done.carried == plan.forgotten is not None and plan.forgotten_nano_usd is not None
    return plan.forgotten, plan.forgotten_nano_usd


def check_kept(house: House, live: Callable[[Ledger], Awaitable[Made]], told: tuple[int, int]) -> None:
    """What ``live`` has left is there again, row by row, after its backup was put in place."""

    async def run() -> Made:
        async with opened_ledger(house.ledger) as ledger:
            return await live(ledger)

    made = trio.run(run)
    there = rows_of(house.ledger)
    assert keep(house, made) == told
    assert rows_of(house.ledger) == there


@pytest.fixture
def house(tmp_path: Path) -> House:
    made = House(tmp_path / "house")
    trio.run(begin, made.ledger)
    return made


def test_one_that_was_numbered_before_the_backup_and_written_after_it(house: House) -> None:
    """A slow local answer fails, and a provider is paid for the next: its number is below the backup's newest."""

    async def live(ledger: Ledger) -> Made:
        slow = open_entry(ledger)
        await serve(ledger)
        await ledger.upkeep.tidy()
        made = await back_up(house, ledger)
        ledger.capture(await ledger.hold(slow, PAID, HOLD_NANO_USD), USED)
        ledger.close_entry(slow, CLOSED)
        return made

    check_kept(house, live, (1, COST_NANO_USD))


@pytest.mark.parametrize("counted", [False, True])
def test_one_that_asks_again_after_its_end(house: House, *, counted: bool) -> None:
    """A flight that others share asks again when the request that began it has left, and may be counted by then."""

    async def live(ledger: Ledger) -> Made:
        entry = open_entry(ledger)
        ledger.capture(await ledger.hold(entry, PAID, HOLD_NANO_USD), USED)
        ledger.close_entry(entry, CLOSED)
        await serve(ledger)
        if counted:
            await ledger.upkeep.tidy()
        made = await back_up(house, ledger)
        ledger.capture(await ledger.hold(entry, PAID, HOLD_NANO_USD), USED)
        return made

    check_kept(house, live, (0, COST_NANO_USD))


def test_where_no_request_came_but_one_ended(house: House) -> None:
    async def live(ledger: Ledger) -> Made:
        entry = open_entry(ledger)
        attempt = await ledger.hold(entry, PAID, HOLD_NANO_USD)
        made = await back_up(house, ledger)
        ledger.capture(attempt, USED)
        ledger.close_entry(entry, CLOSED)
        return made

    check_kept(house, live, (0, COST_NANO_USD))


def test_what_was_said_since_of_answers_before(house: House) -> None:
    async def live(ledger: Ledger) -> Made:
        (judged,) = await serve(ledger)
        made = await back_up(house, ledger)
        ledger.feedback.judge(Feedback(request_id=judged, verdict="bad"), None)
        return made

    check_kept(house, live, (0, 0))
    assert rows_of(house.ledger)["feedback"]


class Older:
    """The ledger's tables as an earlier version had them."""

    owner = SCHEMA.owner
    scripts = SCHEMA.scripts[:1]


async def make_old(path: Path) -> None:
    async with open_store(path, [Older()], options=StoreOptions(durable=False), clock=SystemClock()):
        pass


def test_from_a_ledger_of_an_older_version(tmp_path: Path) -> None:
    """A bad update: neither the backup nor what is there have today's tables."""
    house = House(tmp_path / "old")
    trio.run(make_old, house.ledger)
    insert_old(house.ledger, 1)
    made = house.back_up()
    insert_old(house.ledger, 2)
    assert keep(house, made) == (1, 0)
    assert mark_ledger(house.ledger).requests == 2


def insert_old(path: Path, seq: int) -> None:
    connection = apsw.Connection(str(path))
    connection.execute(
        "INSERT INTO request VALUES (?, ?, 'closed', 1, 'a', 'openai', 0, '', '', '', '', '', '', '', 'miss', 'ok',"
        " 200, 0, 0, 0, 0, 0, 0, 0, 0, NULL, 1, NULL, 0, NULL, NULL, NULL)",
        (seq, f"req_{seq}"),
    )
    connection.close()


def test_rows_that_did_not_reach_the_file_are_told(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    """What was carried over must be in the file that is moved, not in a WAL that stays behind."""
    made = house.back_up()
    trio.run(begin, house.ledger)
    before = rows_of(house.ledger)
    monkeypatch.setattr("lodestard.store.backup_verify.trust", lambda _connection: None)
    with pytest.raises(HouseFault, match="WAL could not be put into it"):
        house.restore(Path(made.backup.file), keep=True)
    assert rows_of(house.ledger) == before


def test_a_carrying_that_fails_is_told_in_a_sentence(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    made = house.back_up()
    trio.run(begin, house.ledger)
    before = rows_of(house.ledger)

    def full(*_: object, **__: object) -> None:
        raise apsw.FullError

    monkeypatch.setattr("lodestard.recovering.carry_over", full)
    with pytest.raises(HouseFault, match="the disk is full; make room"):
        house.restore(Path(made.backup.file), keep=True)
    assert rows_of(house.ledger) == before
    assert not (house.state_dir / ".restore").exists()


# -- whatever happens --------------------------------------------------------------------------------------------

OPS = st.lists(
    st.tuples(
        st.sampled_from(("open", "pay", "free", "capture", "release", "close", "count", "judge")), st.integers(0, 4)
    ),
    max_size=14,
)


@dataclass
class Traffic:
    """Does what it is told with the requests that are there."""

    ledger: Ledger
    entries: list[Entry] = field(default_factory=list)
    held: list[Attempt] = field(default_factory=list)

    async def do(self, ops: Sequence[tuple[str, int]]) -> None:
        for name, number in ops:
            if name == "open":
                self.entries.append(open_entry(self.ledger))
            elif name == "count":
                await self.ledger.upkeep.tidy()
            elif name in ("capture", "release") and self.held:
                self._end(self.held.pop(number % len(self.held)), name)
            elif self.entries:
                await self._do_with(self.entries[number % len(self.entries)], name)

    def _end(self, attempt: Attempt, name: str) -> None:
        if name == "capture":
            self.ledger.capture(attempt, USED)
        else:
            self.ledger.release(attempt, "no")

    async def _do_with(self, entry: Entry, name: str) -> None:
        if name == "pay":
            self.held.append(await self.ledger.hold(entry, PAID, HOLD_NANO_USD))
        elif name == "free" and entry.closed is None:
            self.held.append(await self.ledger.hold(entry, LOCAL, 0))
        elif name == "close" and entry.closed is None:
            self.ledger.close_entry(entry, CLOSED)
        elif name == "judge" and entry.closed is not None:
            await self.ledger.reports.requests(1)  # waits until it is in the file
            self.ledger.feedback.judge(Feedback(request_id=entry.id, verdict="good"), None)


@settings(max_examples=40, deadline=None)
@given(OPS, OPS)
def test_it_is_as_if_the_backup_had_never_been(before: list[tuple[str, int]], after: list[tuple[str, int]]) -> None:
    async def live(house: House) -> Made:
        async with opened_ledger(house.ledger) as ledger:
            traffic = Traffic(ledger)
            await traffic.do(before)
            made = await back_up(house, ledger)
            await traffic.do(after)
        return made

    with tempfile.TemporaryDirectory() as name:
        house = House(Path(name) / "house")
        made = trio.run(live, house)
        there, marked = rows_of(house.ledger), mark_ledger(house.ledger)
        requests, cost = keep(house, made)
        found = mark_ledger(house.ledger)
        assert rows_of(house.ledger) == there
        assert found.books == marked.books
        assert requests == marked.requests - made.manifest.ledger.requests
        assert cost == marked.cost_nano_usd - made.manifest.ledger.cost_nano_usd
        trio.run(count_all, house.ledger)
        assert mark_ledger(house.ledger).books == marked.books


async def count_all(path: Path) -> None:
    async with opened_ledger(path) as ledger:
        await ledger.upkeep.tidy()
