"""The cache as the house uses it: over a store that keeps, fails and restarts, on a mock clock."""

from pathlib import Path
from typing import Any

import msgspec
import pytest
import trio
from hypothesis import given
from hypothesis import settings as effort
from hypothesis import strategies as st

from lodestard.cache import MIGRATIONS, Cache, Kept, Line, Ticket, open_cache, read_lines
from lodestard.cache.disk import GATHER_S, MAX_PENDING_BYTES, SWEEP_S, TOUCH_S
from lodestard.cache.entry import OVERHEAD_BYTES
from lodestard.domain.errors import HouseFault
from lodestard.domain.reply import Choice, Reply
from lodestard.domain.request import Conversation, Request, Sampling
from lodestard.domain.settings import Cache as CacheSettings
from lodestard.domain.upstream import Target
from lodestard.store import StoreOptions, open_store, run_inline
from tests.fakes.memory_store import MemoryStore

TARGET = Target("t600", "llama3.1:8b")
OTHER = Target("openai", "gpt-4o-mini")
START_MS = 1_700_000_000_000
DAY_S = 86_400.0


class TrioClock:
    """Wall time that goes with the mock clock, and can be set."""

    def __init__(self) -> None:
        self.offset_ms = START_MS

    def now_ms(self) -> int:
        return self.offset_ms + int(trio.current_time() * 1_000)

    def monotonic_ns(self) -> int:
        return int(trio.current_time() * 1e9)


@pytest.fixture
def clock() -> TrioClock:
    return TrioClock()


@pytest.fixture
def store() -> MemoryStore:
    return MemoryStore(MIGRATIONS)


def request(prompt: str, temperature: float | None = 0.0) -> Request:
    return Request(
        dialect="openai",
        alias="auto",
        stream=False,
        include_usage=False,
        members={"messages": msgspec.Raw(msgspec.json.encode(prompt))},
        conversation=Conversation(messages=(), sampling=Sampling(temperature=temperature)),
        size_bytes=0,
    )


def reply(text: str = "an answer", **more: Any) -> Reply:
    return Reply(id="x", choices=(Choice(text=text, finish="stop"),), **more)


def ticket(cache: Cache, prompt: str = "p", target: Target = TARGET, cache_control: str = "") -> Ticket:
    return cache.ticket(request(prompt), target, "local", cache_control)


def keep(cache: Cache, prompt: str = "p", text: str = "an answer", target: Target = TARGET, cost: int = 5) -> None:
    cache.keep_nowait(ticket(cache, prompt, target), reply(text), target, cost)


def found(cache: Cache, prompt: str = "p", target: Target = TARGET, cache_control: str = "") -> str | None:
    kept = cache.find(ticket(cache, prompt, target, cache_control))
    return kept.reply.choices[0].text if kept else None


def forget_memory(cache: Cache) -> None:
    """So that the next look goes to the disk."""
    cache._memory.drop_where(lambda _: True)


async def written() -> None:
    await trio.sleep(GATHER_S * 2)


def on_disk(store: MemoryStore) -> int:
    return len(store.connection.execute("SELECT key FROM answer").fetchall())


async def test_what_was_kept_is_found_with_what_is_said_of_it(autojump_clock: Any, clock: TrioClock) -> None:
    async with open_cache(CacheSettings(), None, clock) as cache:
        asked = ticket(cache)
        assert cache.find(asked) is None
        answer = reply(body=b'{"raw":1}', dialect="openai")
        cache.keep_nowait(asked, answer, TARGET, 123)

        assert cache.find(asked) == Kept(reply=answer, target=TARGET, created_ms=START_MS, cost_nano_usd=123)
        stats = await cache.stats()
    assert (stats.hits, stats.misses, stats.bypassed, stats.saved_nano_usd) == (1, 1, 0, 123)
    assert (stats.disk, stats.entries, stats.memory_entries) == (False, 1, 1)
    assert [(model.model, model.entries) for model in stats.models] == [("t600/llama3.1:8b", 1)]


async def test_an_answer_is_kept_under_the_model_that_gave_it(autojump_clock: Any, clock: TrioClock) -> None:
    async with open_cache(CacheSettings(), None, clock) as cache:
        cache.keep_nowait(ticket(cache), reply("from the other"), OTHER, 1)

        assert found(cache) is None
        assert found(cache, target=OTHER) == "from the other"


async def test_what_may_not_be_kept_or_looked_up(autojump_clock: Any, clock: TrioClock) -> None:
    async with open_cache(CacheSettings(), None, clock) as cache:
        hot = cache.ticket(request("p", 1.0), TARGET, "local", "")
        cache.keep_nowait(hot, reply(), TARGET, 1)
        assert (hot.cacheable, hot.reason, cache.find(hot)) == (False, "temperature above 0.3", None)
        cache.keep_nowait(ticket(cache, cache_control="no-store"), reply(), TARGET, 1)
        cache.keep_nowait(ticket(cache), Reply(choices=(Choice(text="cut"),)), TARGET, 1)
        assert found(cache) is None

        cache.keep_nowait(ticket(cache, cache_control="no-cache"), reply("fresh"), TARGET, 1)
        assert found(cache, cache_control="no-cache") is None
        assert found(cache) == "fresh"
        assert cache.counters.bypassed == 2


async def test_text_that_is_no_unicode_is_not_kept(
    autojump_clock: Any, clock: TrioClock, caplog: pytest.LogCaptureFixture
) -> None:
    async with open_cache(CacheSettings(), None, clock) as cache:
        keep(cache, text="secret \ud800")
        assert found(cache) is None
    assert "can't be kept" in caplog.text
    assert "secret" not in caplog.text


async def test_principals_do_not_share(autojump_clock: Any, clock: TrioClock) -> None:
    async with open_cache(CacheSettings(), None, clock) as cache:
        keep(cache)
        assert cache.find(cache.ticket(request("p"), TARGET, "somebody", "")) is None


async def test_a_stranger_s_ticket_is_no_ticket(autojump_clock: Any, clock: TrioClock) -> None:
    class Stranger:
        key = "x"
        cacheable = True
        reason = ""

        def key_for(self, _target: Target) -> str:
            return "x"

    async with open_cache(CacheSettings(), None, clock) as cache:
        cache.keep_nowait(Stranger(), reply(), TARGET, 1)
        assert cache.find(Stranger()) is None


async def test_an_expired_answer_is_never_served_and_leaves(
    autojump_clock: Any, clock: TrioClock, store: MemoryStore
) -> None:
    async with open_cache(CacheSettings(), store, clock) as cache:
        keep(cache)
        await trio.sleep(DAY_S - 1)
        assert found(cache) == "an answer"
        assert found(cache, cache_control="max-age=60") is None
        await trio.sleep(1)
        assert found(cache) is None
        forget_memory(cache)
        assert found(cache) is None
        await trio.sleep(SWEEP_S * 2)
        assert on_disk(store) == 0
        assert (await cache.stats()).entries == 0


async def test_a_clock_that_was_set_back_keeps_nothing_for_ever(autojump_clock: Any, clock: TrioClock) -> None:
    async with open_cache(CacheSettings(), None, clock) as cache:
        keep(cache)
        clock.offset_ms -= int(DAY_S * 1_000)
        assert found(cache) is None


async def test_answers_survive_a_restart_and_warm_the_memory(
    autojump_clock: Any, clock: TrioClock, store: MemoryStore
) -> None:
    async with open_cache(CacheSettings(), store, clock) as cache:
        for number in range(10):
            keep(cache, f"p{number}", f"a{number}")
    assert on_disk(store) == 10

    async with open_cache(CacheSettings(), store, clock) as cache:
        assert found(cache, "p3") == "a3"
        await trio.testing.wait_all_tasks_blocked()
        stats = await cache.stats()
        assert (stats.entries, stats.memory_entries) == (10, 10)
        store.broken = True
        assert found(cache, "p9") == "a9"


async def test_the_memory_warms_with_what_was_used_last(
    autojump_clock: Any, clock: TrioClock, store: MemoryStore
) -> None:
    async with open_cache(CacheSettings(), store, clock) as cache:
        for number in range(10):
            keep(cache, f"p{number}")
            await trio.sleep(60)
        found(cache, "p2")
        await trio.sleep(TOUCH_S * 2)
        size_bytes = (await cache.stats()).memory_bytes // 10

    async with open_cache(CacheSettings(memory_bytes=3 * size_bytes, max_entry_bytes=1_000), store, clock) as cache:
        await trio.testing.wait_all_tasks_blocked()
        store.broken = True
        assert [number for number in range(10) if found(cache, f"p{number}")] == [2, 8, 9]


async def test_reads_come_from_disk_when_the_memory_is_small(
    autojump_clock: Any, clock: TrioClock, store: MemoryStore
) -> None:
    async with open_cache(CacheSettings(memory_bytes=OVERHEAD_BYTES + 400), store, clock) as cache:
        for number in range(5):
            keep(cache, f"p{number}", f"a{number}")
        assert [found(cache, f"p{number}") for number in range(5)] == [f"a{number}" for number in range(5)]
        await written()
        assert [found(cache, f"p{number}") for number in range(5)] == [f"a{number}" for number in range(5)]
        assert (await cache.stats()).memory_entries == 1


async def test_the_disk_keeps_within_its_limit_and_forgets_what_was_used_longest_ago(
    autojump_clock: Any, clock: TrioClock, store: MemoryStore
) -> None:
    limits = CacheSettings(max_bytes=8_000, max_entry_bytes=4_000)
    async with open_cache(limits, store, clock) as cache:
        for number in range(20):
            keep(cache, f"p{number}")
            await trio.sleep(60)
            found(cache, "p0")
        stats = await cache.stats()
        assert stats.bytes <= 8_000
        assert stats.evicted == 20 - stats.entries > 0
        forget_memory(cache)
        held = [number for number in range(20) if found(cache, f"p{number}")]
    assert held == [0, *range(21 - len(held), 20)]


async def test_many_answers_are_written_together_and_uses_wait_for_company(
    autojump_clock: Any, clock: TrioClock, store: MemoryStore
) -> None:
    async with open_cache(CacheSettings(), store, clock) as cache:
        for number in range(100):
            keep(cache, f"p{number}")
        await written()
        assert (on_disk(store), store.commits) == (100, 1)
        for number in range(100):
            found(cache, f"p{number}")
        await written()
        assert store.commits == 1
        await trio.sleep(TOUCH_S)
        assert store.commits == 2


async def test_an_answer_is_replaced_by_a_later_one(
    autojump_clock: Any, clock: TrioClock, store: MemoryStore
) -> None:
    async with open_cache(CacheSettings(), store, clock) as cache:
        keep(cache, text="one")
        keep(cache, text="two")
        await written()
        keep(cache, text="three")
        await written()
        forget_memory(cache)
        assert found(cache) == "three"
        stats = await cache.stats()
        assert (stats.entries, stats.memory_entries) == (1, 1)


async def test_a_large_answer_is_compressed_and_one_too_large_not_kept(
    autojump_clock: Any, clock: TrioClock, store: MemoryStore
) -> None:
    async with open_cache(CacheSettings(max_entry_bytes=100_000), store, clock) as cache:
        keep(cache, "large", "x" * 90_000)
        keep(cache, "too large", "x" * 110_000)
        await written()
        assert (await cache.stats()).bytes < 2_000
        forget_memory(cache)
        assert found(cache, "large") == "x" * 90_000
        assert found(cache, "too large") is None


async def test_a_damaged_answer_is_a_miss_and_deleted(
    autojump_clock: Any, clock: TrioClock, store: MemoryStore, caplog: pytest.LogCaptureFixture
) -> None:
    async with open_cache(CacheSettings(), store, clock) as cache:
        for prompt in ("flipped", "no reply", "empty", "good"):
            keep(cache, prompt, "secret answer")
        await written()
        damage = {"flipped": "substr(frozen, 1, length(frozen) - 1) || x'00'", "empty": "x''"}
        for prompt, expression in damage.items():
            key = bytes.fromhex(ticket(cache, prompt).key)
            store.connection.execute(f"UPDATE answer SET frozen = CAST({expression} AS BLOB) WHERE key = ?", (key,))
        forget_memory(cache)

        assert found(cache, "flipped") is None
        assert found(cache, "empty") is None
        assert found(cache, "good") == "secret answer"
        await written()
        assert on_disk(store) == 2
    assert "deleted: wrong checksum" in caplog.text
    assert "secret" not in caplog.text


async def test_an_answer_of_another_shape_is_a_miss_and_deleted(
    autojump_clock: Any, clock: TrioClock, store: MemoryStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with open_cache(CacheSettings(), store, clock) as cache:
        keep(cache)
        entry = cache._memory.entries()[0]
        packed = msgspec.structs.replace(entry.packed, json=b'{"reply":5}')
        cache._keep(msgspec.structs.replace(entry, packed=packed))
        assert found(cache) is None
        await written()
        assert on_disk(store) == 0


async def test_a_broken_disk_fails_no_request_and_is_told_once(
    autojump_clock: Any, clock: TrioClock, store: MemoryStore, caplog: pytest.LogCaptureFixture
) -> None:
    async with open_cache(CacheSettings(), store, clock) as cache:
        keep(cache, "before")
        await written()
        store.broken = True
        keep(cache, "during")
        assert found(cache, "during") == "an answer"
        assert found(cache, "unknown") is None
        await written()
        assert (await cache.stats()).models == ()
        forget_memory(cache)
        assert found(cache, "before") is None
        with pytest.raises(HouseFault):
            await cache.clear()
        assert len(caplog.records) == 1

        store.broken = False
        keep(cache, "after")
        await written()
        stats = await cache.stats()
        assert (stats.entries, stats.lost) == (2, 1)
        forget_memory(cache)
        assert found(cache, "before") == "an answer"


async def test_it_opens_over_a_broken_disk(autojump_clock: Any, clock: TrioClock, store: MemoryStore) -> None:
    store.broken = True
    async with open_cache(CacheSettings(), store, clock) as cache:
        keep(cache)
        assert found(cache) == "an answer"


async def test_a_defect_in_writing_does_not_end_the_cache(
    autojump_clock: Any, clock: TrioClock, store: MemoryStore, caplog: pytest.LogCaptureFixture
) -> None:
    async with open_cache(CacheSettings(), store, clock) as cache:
        store.connection.execute("DROP TABLE tally")
        keep(cache)
        await written()
        assert "a defect while writing" in caplog.text
        assert found(cache) == "an answer"


async def test_what_waits_for_a_slow_disk_is_bounded(
    autojump_clock: Any, clock: TrioClock, store: MemoryStore
) -> None:
    async with open_cache(CacheSettings(), store, clock) as cache:
        for number in range(12):
            keep(cache, f"p{number}", "x" * 3_500_000)
        assert cache._disk is not None
        assert cache._disk._pending.bytes <= MAX_PENDING_BYTES
        await written()
        stats = await cache.stats()
        assert (stats.entries, stats.lost) == (9, 3)


async def test_clearing_all_a_model_and_what_is_old(
    autojump_clock: Any, clock: TrioClock, store: MemoryStore
) -> None:
    async with open_cache(CacheSettings(), store, clock) as cache:
        keep(cache, "old")
        await trio.sleep(100)
        keep(cache, "other", target=OTHER)
        keep(cache, "new")

        assert await cache.clear(model="nobody") == 0
        assert await cache.clear(model="gpt-4o-mini", older_than_s=50) == 0
        assert await cache.clear(model="openai/gpt-4o-mini") == 1
        assert found(cache, "other", OTHER) is None
        assert await cache.clear(older_than_s=50) == 1
        assert (found(cache, "old"), found(cache, "new")) == (None, "an answer")
        assert await cache.clear() == 1
        assert ((await cache.stats()).entries, found(cache, "new")) == (0, None)


async def test_clearing_in_memory_alone(autojump_clock: Any, clock: TrioClock) -> None:
    async with open_cache(CacheSettings(), None, clock) as cache:
        keep(cache)
        keep(cache, "other", target=OTHER)
        assert await cache.clear(model="llama3.1:8b") == 1
        assert await cache.clear() == 1


async def test_new_limits_are_taken_at_once(autojump_clock: Any, clock: TrioClock, store: MemoryStore) -> None:
    async with open_cache(CacheSettings(), store, clock) as cache:
        keep(cache)
        await written()
        cache.configure(CacheSettings(memory_bytes=10, ttl_s=30.0, max_temperature=1.0))
        assert (await cache.stats()).memory_entries == 0
        assert found(cache) == "an answer"
        assert cache.ticket(request("p", 1.0), TARGET, "local", "").cacheable
        await trio.sleep(30)
        assert found(cache) is None
        cache.configure(CacheSettings(enabled=False))
        assert ticket(cache).reason == "the cache is off"


@pytest.mark.parametrize("on_disk", [True, False])
async def test_answers_travel_to_another_cache(autojump_clock: Any, clock: TrioClock, *, on_disk: bool) -> None:
    def a_store() -> MemoryStore | None:
        return MemoryStore(MIGRATIONS) if on_disk else None

    async with open_cache(CacheSettings(), a_store(), clock) as cache:
        for number in range(120):
            keep(cache, f"p{number}", f"a{number}")
        await written()
        text = b"\n".join([line async for line in cache.export()])

    async with open_cache(CacheSettings(), a_store(), clock) as cache:
        lines = list(read_lines([text]))
        assert all(isinstance(line, Line) and cache.take_in(line) for line in lines)
        assert len(lines) == 120
        assert found(cache, "p77") == "a77"
        await trio.sleep(DAY_S)
        assert not any(isinstance(line, Line) and cache.take_in(line) for line in lines)


async def test_a_damaged_answer_does_not_travel(autojump_clock: Any, clock: TrioClock, store: MemoryStore) -> None:
    async with open_cache(CacheSettings(), store, clock) as cache:
        keep(cache, "a")
        keep(cache, "b")
        await written()
        key = bytes.fromhex(ticket(cache, "a").key)
        store.connection.execute("UPDATE answer SET frozen = x'01' WHERE key = ?", (key,))
        assert len([line async for line in cache.export()]) == 1


async def test_cancelled_it_still_writes_what_is_pending(
    autojump_clock: Any, clock: TrioClock, store: MemoryStore
) -> None:
    with trio.CancelScope() as scope:
        async with open_cache(CacheSettings(), store, clock) as cache:
            keep(cache)
            scope.cancel()
            await trio.sleep_forever()
    assert on_disk(store) == 1


async def test_a_disk_that_hangs_does_not_hold_up_the_end(
    autojump_clock: Any, clock: TrioClock, store: MemoryStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def hang(work: object) -> None:
        await trio.sleep_forever()

    monkeypatch.setattr(store, "commit", hang)
    with trio.fail_after(60):
        async with open_cache(CacheSettings(), store, clock) as cache:
            keep(cache)
            await written()


async def test_no_prompt_is_in_the_database(autojump_clock: Any, clock: TrioClock, store: MemoryStore) -> None:
    async with open_cache(CacheSettings(compress_above_bytes=1_000_000), store, clock) as cache:
        keep(cache, "the prompt", "the answer")
    dump = repr(store.connection.execute("SELECT * FROM answer").fetchall())
    assert "the answer" in dump
    assert "the prompt" not in dump


STEPS = st.lists(
    st.tuples(st.sampled_from(["keep", "find", "wait", "restart"]), st.integers(0, 8), st.integers(0, 2_000)),
    max_size=25,
)


@effort(max_examples=25, deadline=None)
@given(STEPS)
def test_it_never_exceeds_its_limits_nor_serves_what_is_wrong_or_old(steps: list[tuple[str, int, int]]) -> None:
    limits = CacheSettings(max_bytes=6_000, memory_bytes=3_000, max_entry_bytes=2_500, ttl_s=100.0)
    store, clock = MemoryStore(MIGRATIONS), TrioClock()
    kept: dict[int, tuple[int, str]] = {}

    async def one_life(left: list[tuple[str, int, int]]) -> None:
        async with open_cache(limits, store, clock) as cache:
            while left:
                action, number, amount = left.pop(0)
                match action:
                    case "keep":
                        kept[number] = (clock.now_ms(), f"{number} {amount} " + "x" * amount)
                        keep(cache, f"p{number}", kept[number][1])
                    case "find":
                        text = found(cache, f"p{number}")
                        assert text is None or (
                            text == kept[number][1] and clock.now_ms() - kept[number][0] < 100_000
                        )
                    case "wait":
                        await trio.sleep(amount / 40)
                        size = store.connection.execute("SELECT sum(bytes), count(*) FROM answer").fetchall()[0]
                        tally = store.connection.execute("SELECT bytes, entries FROM tally").fetchall()[0]
                        assert (size[0] or 0, size[1]) == tally
                        assert int(tally[0]) <= 6_000
                    case _:
                        return
                assert cache._memory.bytes <= 3_000

    async def live() -> None:
        left = list(steps)
        while left:
            await one_life(left)
            clock.offset_ms += 1_000

    trio.run(live, clock=trio.testing.MockClock(autojump_threshold=0))


async def test_over_a_real_file(autojump_clock: Any, clock: TrioClock, tmp_path: Path) -> None:
    path, options = tmp_path / "cache.db", StoreOptions(durable=False, disposable=True)
    for run in range(2):
        async with (
            open_store(path, MIGRATIONS, options=options, clock=clock, run=run_inline) as store,
            open_cache(CacheSettings(), store, clock) as cache,
        ):
            assert found(cache, "p") == (None if run == 0 else "an answer")
            keep(cache, "p")
            keep(cache, f"q{run}")
            assert await cache.clear(model="nobody") == 0
    assert path.stat().st_mode & 0o777 == 0o600


async def test_a_request_that_is_remembered_finds_what_any_other_would(autojump_clock: Any, clock: TrioClock) -> None:
    asked = request("p")
    async with open_cache(CacheSettings(ttl_s=100.0), None, clock) as cache:

        def look(principal: str = "local") -> str | None:
            kept = cache.find(cache.ticket(asked, TARGET, principal, ""))
            return kept.reply.choices[0].text if kept else None

        keep(cache, text="first")
        cache.remember(b"{}", 64, asked)
        assert cache.recall(b"{}", 64, "openai") is asked
        assert [look(), look(), look("another")] == ["first", "first", None]
        keep(cache, text="second")
        assert [look(), look()] == ["second", "second"]
        await trio.sleep(101)
        assert look() is None
        keep(cache, text="third")
        assert [look(), look()] == ["third", "third"]
        await cache.clear()
        assert cache.recall(b"{}", 64, "openai") is None
        assert look() is None
    assert cache.counters.hits == 6
