"""Sessions over a real file: who belongs together, what a restart remembers, switches, limits, reports."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
import trio
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lodestard.domain.closing import Closing
from lodestard.domain.errors import CallerFault, Code, HouseFault
from lodestard.domain.ports import Row
from lodestard.domain.request import Caller
from lodestard.domain.upstream import Candidate, Target
from lodestard.domain.usage import Usage
from lodestard.ledger import SCHEMA, Ledger, LedgerOptions, SessionRules, open_ledger
from lodestard.ledger import sessions as room
from lodestard.store import StoreOptions, open_store, run_inline

START_MS = 1_795_640_580_000
GAP_MS = 1_800_000
LLAMA, CODER, PAID = Target("t600", "llama3.1:8b"), Target("t600", "deepseek-coder:6.7b"), Target("openai", "gpt-4o")
AIDER = Caller(client="aider", project="alpha", task="edit")
FREE = Candidate(target=LLAMA, dialect="ollama", price=None, free=True, up=True)


class FakeClock:
    ms = START_MS
    ns = 0

    def now_ms(self) -> int:
        return self.ms

    def monotonic_ns(self) -> int:
        self.ns += 1
        return self.ns


class House:
    """A ledger, and requests that take a second each."""

    def __init__(self, ledger: Ledger, clock: FakeClock, store: Any) -> None:
        self.ledger, self.clock, self.store = ledger, clock, store

    def open(self, caller: Caller = AIDER) -> Any:
        return self.ledger.open_entry(caller, "auto", dialect="openai", stream=False)

    def close(self, entry: Any, target: Target | None = LLAMA, **members: Any) -> Any:
        given = {"outcome": "ok", "status": 200, "cache": "miss", "target": target, **members}
        return self.ledger.close_entry(entry, Closing(**given))

    def ask(
        self, caller: Caller = AIDER, target: Target | None = LLAMA, *, after_s: float = 1, **members: Any
    ) -> Any:
        """The request's session and the model that it was switched from."""
        self.clock.ms += int(after_s * 1_000)
        return self.close(self.open(caller), target, **members)


@asynccontextmanager
async def opened(path: Path, clock: FakeClock | None = None, **rules: int) -> AsyncIterator[House]:
    clock = clock or FakeClock()
    options = LedgerOptions(strict=True, sessions=SessionRules(**rules))
    async with (
        open_store(path, (SCHEMA,), options=StoreOptions(durable=True), clock=clock, run=run_inline) as store,
        open_ledger(store, clock, options=options) as ledger,
    ):
        yield House(ledger, clock, store)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "ledger.db"


async def test_requests_of_one_client_are_of_one_session_until_a_silence(path: Path, autojump_clock: object) -> None:
    async with opened(path) as house:
        first = house.ask().session
        assert first == "aider-20261125-2103-0h2"
        assert house.ask(after_s=GAP_MS / 1_000).session == first
        second = house.ask(after_s=GAP_MS / 1_000 + 1).session
        assert second != first
        assert second > first
        assert house.ask().session == second


async def test_a_session_takes_nothing_from_what_is_known_of_its_caller(path: Path, autojump_clock: object) -> None:
    whole = Caller(
        principal="p",
        project="j",
        user="u",
        session="s",
        client="c",
        task="t",
        said_session="named",
        priority="idle",
        origin="o",
        tags=("x",),
        prefer="best",
        folder="/f",
    )
    assert all(getattr(whole, name) for name in Caller.__struct_fields__)
    async with opened(path) as house:
        assert house.open(whole).caller == whole


async def test_a_silence_does_not_count_while_a_request_is_under_way(path: Path, autojump_clock: object) -> None:
    async with opened(path) as house:
        slow = house.open()
        house.clock.ms += 10 * GAP_MS
        assert house.ask().session == slow.caller.session
        house.clock.ms += 10 * GAP_MS
        assert house.close(slow).session == slow.caller.session
        assert house.ask(after_s=GAP_MS / 1_000 - 1).session == slow.caller.session


CALLERS = st.builds(
    Caller,
    principal=st.sampled_from(["local", "bob"]),
    project=st.sampled_from(["", "a", "b"]),
    user=st.sampled_from(["", "ann"]),
    client=st.sampled_from(["aider", "curl"]),
    session=st.sampled_from(["", "", "", "s1", "s2"]),
)
STEPS = st.lists(st.tuples(CALLERS, st.integers(min_value=0, max_value=GAP_MS * 2)), min_size=1, max_size=40)


@given(steps=STEPS, live=st.sampled_from([1, 2, 4_096]))
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_sessions_never_mix_whose_requests_they_are(
    steps: list[tuple[Caller, int]], live: int, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """Whatever comes, and however little is kept in memory.

    Of a session that began after a silence, all who-words are equal and no two requests are further apart than the
    gap; a name is one session for each principal.
    """

    async def run() -> None:
        async with opened(tmp_path_factory.mktemp("s") / "ledger.db") as house:
            seen: dict[str, tuple[Caller, int]] = {}
            for caller, wait_ms in steps:
                house.clock.ms += wait_ms
                session_id = house.close(house.open(caller)).session
                await house.store.commit(lambda tx: None)
                if caller.session:
                    assert session_id == caller.session
                    continue
                assert session_id not in ("", "s1", "s2")
                before, last_ms = seen.get(session_id, (caller, house.clock.ms))
                assert before == caller
                assert house.clock.ms - last_ms <= GAP_MS
                seen[session_id] = caller, house.clock.ms
            found = await house.ledger.session_reports.list(1_000)
            assert sum(known.figures.requests for known in found) == len(steps)
            assert len({(known.row.id, known.row.principal) for known in found}) == len(found)

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(room, "MOST_LIVE", live)
        trio.run(run)


async def test_a_restart_goes_on_with_the_session(path: Path, autojump_clock: object) -> None:
    clock = FakeClock()
    async with opened(path, clock) as house:
        first = house.ask(target=LLAMA).session
        named = house.ask(Caller(session="mine"), CODER).session
    async with opened(path, clock) as house:
        again = house.ask(target=CODER)
        assert (again.session, again.switched_from) == (first, str(LLAMA))
        assert house.ask(Caller(session="mine"), CODER).session == named == "mine"
    clock.ms += GAP_MS + 1
    async with opened(path, clock) as house:
        assert house.ask().session != first


async def test_a_session_that_was_asked_for_survives_a_restart_too(path: Path, autojump_clock: object) -> None:
    clock = FakeClock()
    async with opened(path, clock) as house:
        house.ledger.sessions.start("refactor", Caller(project="alpha"), clock.ms)
    async with opened(path, clock) as house:
        assert house.ask(Caller(client="curl")).session == "refactor"
        assert house.ledger.sessions.end("", clock.ms).id == "refactor"
    async with opened(path, clock) as house:
        assert house.ask(Caller(client="curl")).session != "refactor"


async def test_switches_are_counted_between_answers_of_models(path: Path, autojump_clock: object) -> None:
    async with opened(path) as house:
        assert house.ask(target=LLAMA).switched_from == ""
        assert house.ask(target=LLAMA).switched_from == ""
        assert house.ask(target=CODER).switched_from == str(LLAMA)
        assert house.ask(target=PAID, cache="hit").switched_from == ""
        assert house.ask(target=PAID, outcome=Code.UPSTREAM_CUT, status=502).switched_from == ""
        assert house.ask(target=None, outcome=Code.NO_CANDIDATE, status=503).switched_from == ""
        assert house.ask(Caller(client="other"), PAID).switched_from == ""
        assert house.ask(target=LLAMA).switched_from == str(CODER)
        report = await house.ledger.session_reports.show(house.ask(target=LLAMA).session)
    assert [(each.from_target, each.to_target) for each in report.switches] == [
        (str(LLAMA), str(CODER)),
        (str(CODER), str(LLAMA)),
    ]
    assert report.switches[0].at_ms < report.switches[1].at_ms
    assert report.session.figures.switches == 2
    assert report.session.row.last_target == str(LLAMA)


async def test_a_name_that_was_over_begins_anew(path: Path, autojump_clock: object) -> None:
    mine = Caller(session="mine")
    async with opened(path) as house:
        house.ask(mine, LLAMA)
        house.ledger.sessions.end("mine", house.clock.ms)
        assert house.ask(mine, CODER).switched_from == ""
        (known,) = await house.ledger.session_reports.list(5)
        assert (known.row.started_ms, known.row.ended_ms, known.live) == (house.clock.ms, None, True)
        assert known.figures.requests == 2
        house.ask(mine, LLAMA, after_s=GAP_MS)
        (known,) = await house.ledger.session_reports.list(5)
        assert known.row.started_ms == house.clock.ms


async def test_an_overlong_session_is_refused_until_it_is_ended(path: Path, autojump_clock: object) -> None:
    async with opened(path, max_ms=10_000) as house:
        first = house.ask().session
        house.clock.ms += 10_001
        entry = house.open()
        with pytest.raises(CallerFault) as refused:
            await house.ledger.hold(entry, FREE, 0)
        assert refused.value.code == Code.BUDGET_REFUSED
        assert first in refused.value.message
        assert f"lodestarctl session end {first}" in refused.value.message
        assert "10 s" in refused.value.message
        assert house.ledger.totals().held_nano_usd == 0
        house.close(entry, None, outcome=Code.BUDGET_REFUSED, status=400)
        house.ledger.sessions.end(first, house.clock.ms)
        entry = house.open()
        house.ledger.release(await house.ledger.hold(entry, FREE, 0), "")
        assert house.close(entry).session != first


async def test_a_request_that_began_in_time_may_take_its_time(path: Path, autojump_clock: object) -> None:
    async with opened(path, max_ms=10_000) as house:
        entry = house.open()
        house.clock.ms += 20_000
        house.ledger.release(await house.ledger.hold(entry, FREE, 0), "a second candidate, say")
        house.close(entry)


async def test_an_asked_session_takes_requests_without_one_and_labels_them(
    path: Path, autojump_clock: object
) -> None:
    async with opened(path) as house:
        row = house.ledger.sessions.start("refactor", Caller(project="alpha", user="ann"), house.clock.ms)
        assert (row.id, row.origin) == ("refactor", "asked")
        entry = house.open(Caller(client="curl"))
        assert (entry.caller.session, entry.caller.project, entry.caller.user) == ("refactor", "alpha", "ann")
        house.close(entry)
        assert house.ask(Caller(client="curl", project="beta")).session != "refactor"
        assert house.ask(Caller(client="curl", session="own")).session == "own"
        assert house.ask(Caller(principal="bob", client="curl")).session != "refactor"
        assert house.ask(Caller(client="curl", session="refactor")).session == "refactor"
        inner = house.ledger.sessions.start("", Caller(client="aider"), house.clock.ms).id
        assert inner.startswith("aider-")
        assert house.ask(AIDER).session == inner
        assert house.ledger.sessions.end("", house.clock.ms).id == inner
        assert house.ask(AIDER).session == "refactor"
        assert house.ask(AIDER, after_s=GAP_MS / 1_000 + 1).session not in (inner, "refactor")


async def test_what_can_not_be_started_or_ended(path: Path, autojump_clock: object) -> None:
    async with opened(path) as house:
        sessions, now_ms = house.ledger.sessions, house.clock.ms
        with pytest.raises(CallerFault, match="No session is under way"):
            sessions.end("", now_ms)
        with pytest.raises(CallerFault, match="There is no session 'x'"):
            sessions.end("x", now_ms)
        only = house.ask().session
        assert sessions.end("", house.clock.ms).id == only
        with pytest.raises(CallerFault, match="over already"):
            sessions.end(only, house.clock.ms)
        one, two = house.ask().session, house.ask(Caller(client="curl")).session
        with pytest.raises(CallerFault, match="say which") as unclear:
            sessions.end("", house.clock.ms)
        assert one in unclear.value.message
        assert two in unclear.value.message
        sessions.start("same", Caller(), house.clock.ms)
        with pytest.raises(CallerFault, match="under way already"):
            sessions.start("same", Caller(), house.clock.ms)
        for number in range(room.MOST_ASKED - 1):
            sessions.start(f"s{number}", Caller(), house.clock.ms)
        with pytest.raises(CallerFault, match="end one first"):
            sessions.start("one too many", Caller(), house.clock.ms)
        with pytest.raises(CallerFault, match="There is no session"):
            await house.ledger.session_reports.show("nobody")
        with pytest.raises(CallerFault, match="last must be"):
            await house.ledger.session_reports.list(0)


async def test_an_ended_name_may_be_asked_for(path: Path, autojump_clock: object) -> None:
    async with opened(path) as house:
        house.ask(Caller(session="mine"))
        house.ledger.sessions.end("mine", house.clock.ms)
        row = house.ledger.sessions.start("mine", Caller(client="curl"), house.clock.ms)
        assert (row.origin, row.client, row.ended_ms) == ("asked", "curl", None)
        assert house.ask(Caller(client="curl")).session == "mine"
        assert house.ask(Caller(client="aider")).session != "mine"


async def test_a_report_sums_by_task_and_model(path: Path, autojump_clock: object) -> None:
    async with opened(path) as house:
        usage = Usage(prompt_tokens=10, completion_tokens=5)
        for task, target in (("edit", LLAMA), ("edit", CODER), ("commit", CODER)):
            entry = house.open(Caller(client="aider", task=task))
            candidate = Candidate(target=target, dialect="ollama", price=None, free=True, up=True)
            house.ledger.capture(await house.ledger.hold(entry, candidate, 0), usage)
            house.close(entry, target, usage=usage)
        report = await house.ledger.session_reports.show("")
    assert {part.key: (part.requests, part.prompt_tokens) for part in report.tasks} == {
        "edit": (2, 20),
        "commit": (1, 10),
    }
    assert {part.key: part.requests for part in report.models} == {str(LLAMA): 1, str(CODER): 2}
    assert (report.session.figures.requests, report.session.figures.completion_tokens) == (3, 15)


async def test_no_session_yet(path: Path, autojump_clock: object) -> None:
    async with opened(path) as house:
        assert await house.ledger.session_reports.list(5) == []
        with pytest.raises(CallerFault, match="No session yet"):
            await house.ledger.session_reports.show("")


async def test_a_busy_session_is_written_once_a_second(path: Path, autojump_clock: object) -> None:
    async with opened(path) as house:
        posted: list[object] = []
        post = house.store.post

        def note(work: Any) -> None:
            posted.append(getattr(work, "func", None))
            post(work)

        house.store.post = note
        for _ in range(50):
            house.ask(after_s=0.1)
        assert 4 <= posted.count(room.write_session) <= 7


async def test_a_table_that_can_not_be_read_costs_no_answer(
    path: Path, autojump_clock: object, caplog: pytest.LogCaptureFixture
) -> None:
    async with opened(path) as house:
        read = house.store.read

        def fail(sql: str, params: Any = ()) -> list[Row]:
            raise HouseFault(Code.STORE_UNAVAILABLE, "the disk is gone")

        house.store.read = fail
        session = house.ask().session
        assert house.ask().session == session
        house.store.read = read
    assert "sessions can't be looked up: the disk is gone" in caplog.text


async def test_what_is_kept_in_memory_is_bounded(
    path: Path, autojump_clock: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(room, "MOST_LIVE", 10)
    async with opened(path) as house:
        first = house.ask().session
        for number in range(50):
            house.ask(Caller(client="curl", project=f"p{number}"), after_s=0.01)
        sessions = house.ledger.sessions
        assert len(sessions._live) == len(sessions._by_who) == 10
        await house.store.commit(lambda tx: None)
        assert house.ask().session == first
