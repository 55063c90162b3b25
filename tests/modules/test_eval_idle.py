"""The module eval_idle at work: when it asks, whom, what it keeps of it, and how it gives way."""

import stat
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import msgspec
import pytest
import trio
from trio.testing import MockClock

from lodestard.domain.errors import Code, Fault, HouseFault
from lodestard.domain.quotes import Quoted
from lodestard.domain.request import Caller
from lodestard.domain.upstream import Target
from lodestard.ledger import Totals
from lodestard.modules.eval_idle import MODULE
from lodestard.modules.eval_idle.book import read_book
from lodestard.modules.eval_idle.settings import EvalIdleSettings
from tests.fakes.idle_house import CODER, LLAMA, PAID, PROMPT, SAID, IdleHouse, IdleRoutes, idle_house, stored

BUSY = Fault(Code.UPSTREAM_BUSY, "A request that somebody waits for came.")


@pytest.fixture(autouse=True)
def inline(monkeypatch: pytest.MonkeyPatch) -> None:
    """No thread reads or writes the file: time would jump while it works."""

    async def run_here(work: Callable[..., object], *arguments: object) -> object:
        await trio.lowlevel.checkpoint()
        return work(*arguments)

    monkeypatch.setattr(trio.to_thread, "run_sync", run_here)


def with_stored(*numbers: int) -> Callable[[IdleHouse], None]:
    def change(house: IdleHouse) -> None:
        house.ledger.stored = [stored(number) for number in sorted(numbers, reverse=True)]

    return change


def all_text(folder: Path) -> str:
    return b"".join(file.read_bytes() for file in folder.iterdir()).decode()


def test_it_is_off_unless_somebody_switches_it_on() -> None:
    assert MODULE.settings().enabled is False


async def test_a_stored_request_is_asked_of_the_local_model_once_it_is_quiet(
    tmp_path: Path, autojump_clock: MockClock
) -> None:
    async with idle_house(tmp_path) as house:
        await trio.sleep(119)
        assert house.asked == []
        assert (await house.verb("status"))["doing"].startswith("it has been quiet for 11")
        await trio.sleep(20)
        (question,) = house.asked
        assert (question.origin, question.model, question.rank, question.task, question.keep) == (
            "eval-idle",
            "t600/llama3.1:8b",
            "idle",
            "chat",
            False,
        )
        assert question.session == "eval-idle-2026-11-26"
        assert msgspec.json.decode(question.members["messages"]) == [{"role": "user", "content": PROMPT}]
        assert msgspec.json.decode(question.members["max_tokens"]) == 256
        evidence = house.runtime.hooks.evidence("chat", LLAMA)
        assert evidence is not None
        assert (evidence.quality, evidence.count, evidence.good, evidence.seconds) == (1.0, 1, 1, 3.0)
        assert house.runtime.hooks.evidence("chat", CODER) is None
    assert house.runtime.hooks.evidence("chat", LLAMA) is None


async def test_no_word_of_prompt_or_answer_is_written(
    tmp_path: Path, autojump_clock: MockClock, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("DEBUG")
    said = "canary-of-an-answer of some length, so that words are compared"

    def change(house: IdleHouse) -> None:
        with_stored(1, 2)(house)
        house.script = [said, Fault(Code.UPSTREAM_REJECTED, "It said: canary-of-a-fault")]

    async with idle_house(tmp_path, change=change) as house:
        await trio.sleep(300)
        told = str([await house.verb("status"), await house.verb("report")])
    assert len(house.asked) == 2
    files = all_text(tmp_path)
    assert stat.S_IMODE(house.file.stat().st_mode) == 0o600
    assert "canary" not in files + told + caplog.text
    assert SAID not in files


async def test_nothing_is_asked_where_text_is_not_kept(tmp_path: Path, autojump_clock: MockClock) -> None:
    async with idle_house(tmp_path, store_text=False) as house:
        await trio.sleep(1_000)
        status = await house.verb("status")
        assert status["store_text"] is False
        assert "ledger.store_text is off" in status["doing"]
        assert "ledger.store_text is off" in str(house.runtime.hooks.status_parts["eval_idle"]())
    assert (house.asked, house.ledger.listed) == ([], 0)


async def test_nothing_is_asked_where_nobody_could_stop_it(tmp_path: Path, autojump_clock: MockClock) -> None:
    def change(house: IdleHouse) -> None:
        house.runtime = replace(house.runtime, residency=None)

    async with idle_house(tmp_path, change=change) as house:
        await trio.sleep(1_000)
        assert "residency.enabled is off" in (await house.verb("status"))["doing"]
    assert house.asked == []


async def test_real_requests_come_first(tmp_path: Path, autojump_clock: MockClock) -> None:
    async with idle_house(tmp_path) as house:
        house.ledger.now = Totals(day="2026-11-26", open_requests=1)
        await trio.sleep(500)
        assert house.asked == []
        house.ledger.now = Totals(day="2026-11-26")
        house.tell_ended()
        await trio.sleep(115)
        house.tell_ended(Caller(origin="eval-idle"))
        assert house.asked == []
        await trio.sleep(15)
        assert len(house.asked) == 1


async def test_a_replay_that_gave_way_is_tried_again_later_and_counts_for_nothing(
    tmp_path: Path, autojump_clock: MockClock
) -> None:
    def change(house: IdleHouse) -> None:
        house.script = [BUSY, BUSY, BUSY, BUSY]

    async with idle_house(tmp_path, change=change) as house:
        await trio.sleep(130)
        assert len(house.asked) == 1
        assert (await house.verb("status"))["today"] == 0
        assert "the last replay was cut short; again in" in (await house.verb("status"))["doing"]
        assert not house.file.exists()
        await trio.sleep(30 + 60 + 120)
        assert len(house.asked) == 4
        await trio.sleep(300)
        assert len(house.asked) == 5
        (row,) = (await house.verb("report"))["rows"]
        assert (row["count"], row["total"], row["failed"], row["unfit"], row["quality"]) == (1, 1, 0, 0, 1.0)
        await trio.sleep(5_000)
    assert len(house.asked) == 5


async def test_what_a_model_can_not_take_is_not_asked_again(tmp_path: Path, autojump_clock: MockClock) -> None:
    def change(house: IdleHouse) -> None:
        house.script = [Fault(Code.CONTEXT_LENGTH_EXCEEDED, "too long")]

    async with idle_house(tmp_path, change=change) as house:
        await trio.sleep(5_000)
        (row,) = (await house.verb("report"))["rows"]
        assert (row["task"], row["model"], row["unfit"], row["count"]) == ("chat", str(LLAMA), 1, 0)
        assert row["quality"] is None
        assert (await house.verb("status"))["doing"] == "everything that there is has been replayed"
    assert len(house.asked) == 1


async def test_what_fails_three_times_has_failed(tmp_path: Path, autojump_clock: MockClock) -> None:
    settings = EvalIdleSettings(enabled=True, timeout_s=20)

    def change(house: IdleHouse) -> None:
        house.script = [Fault(Code.UPSTREAM_GARBAGE, "?"), 1_000.0, Fault(Code.UPSTREAM_ERROR, "500")]

    async with idle_house(tmp_path, settings=settings, change=change) as house:
        await trio.sleep(5_000)
        (row,) = (await house.verb("report"))["rows"]
        assert (row["failed"], row["unfit"], row["count"]) == (1, 0, 0)
    assert (len(house.asked), house.left) == (3, 1)


async def test_a_model_that_is_not_there_is_left_alone_for_an_hour(tmp_path: Path, autojump_clock: MockClock) -> None:
    def change(house: IdleHouse) -> None:
        house.script = [Fault(Code.UPSTREAM_MODEL_MISSING, "pull it")]

    async with idle_house(tmp_path, change=change) as house:
        await trio.sleep(3_600)
        assert len(house.asked) == 1
        assert "no free model" in (await house.verb("status"))["doing"]
        await trio.sleep(300)
        assert len(house.asked) == 2


@pytest.mark.parametrize(
    "members", [{"target": PAID}, {"cost_nano_usd": 1}, {"cache": "hit"}], ids=["another model", "not free", "cached"]
)
async def test_only_the_model_s_own_free_fresh_answer_counts(
    tmp_path: Path, autojump_clock: MockClock, members: dict[str, object]
) -> None:
    def change(house: IdleHouse) -> None:
        house.script = [members]

    async with idle_house(tmp_path, change=change) as house:
        await trio.sleep(130)
        assert len(house.asked) == 1
        assert not (await house.verb("report"))["rows"]
        await trio.sleep(60)
        assert len(house.asked) == 2
        assert (await house.verb("report"))["rows"][0]["count"] == 1


async def test_each_request_is_replayed_once_with_each_model_over_restarts(
    tmp_path: Path, autojump_clock: MockClock
) -> None:
    def change(house: IdleHouse) -> None:
        with_stored(1, 2, 3)(house)
        house.runtime = replace(house.runtime, routes=IdleRoutes((LLAMA, CODER)))

    seen = []
    for _ in range(3):
        async with idle_house(tmp_path, change=change) as house:
            await trio.sleep(122.5)
        seen += house.targets[: len(house.targets) - house.left]  # without the one that the restart cut
    async with idle_house(tmp_path, change=change) as house:
        await trio.sleep(5_000)
        seen += house.targets
    assert sorted(seen) == [str(CODER)] * 3 + [str(LLAMA)] * 3
    assert seen[:3] == [str(LLAMA)] * 3  # the one on the card


async def test_a_day_has_so_many_replays_and_no_more(tmp_path: Path, autojump_clock: MockClock) -> None:
    settings = EvalIdleSettings(enabled=True, per_day=2)
    async with idle_house(tmp_path, settings=settings, change=with_stored(1, 2, 3)) as house:
        await trio.sleep(1_000)
        assert len(house.asked) == 2
        assert (await house.verb("status"))["doing"] == "today's 2 replays are done"
        house.ledger.now = Totals(day="2026-11-27")
        await trio.sleep(10)
        assert len(house.asked) == 3
        assert house.asked[2].session == "eval-idle-2026-11-27"


async def test_without_replays_what_was_learned_still_speaks(tmp_path: Path, autojump_clock: MockClock) -> None:
    async with idle_house(tmp_path) as house:
        await trio.sleep(200)
    async with idle_house(tmp_path, settings=EvalIdleSettings(enabled=True, per_day=0)) as house:
        await trio.sleep(200)
        assert house.runtime.hooks.evidence("chat", LLAMA) is not None
        assert house.asked == []


async def test_private_projects_and_old_requests_are_left_alone(tmp_path: Path, autojump_clock: MockClock) -> None:
    settings = EvalIdleSettings(enabled=True, skip_projects=("secret",), lookback_days=1)

    def change(house: IdleHouse) -> None:
        house.ledger.stored = [
            stored(3, project="secret"),
            stored(2),
            stored(1, received_ms=1_790_000_000_000 - 86_400_000),
        ]

    async with idle_house(tmp_path, settings=settings, change=change) as house:
        await trio.sleep(3_000)
    assert len(house.asked) == 1


async def test_a_request_whose_text_is_gone_is_passed_over(tmp_path: Path, autojump_clock: MockClock) -> None:
    def change(house: IdleHouse) -> None:
        with_stored(1, 2)(house)
        house.ledger.texts["req_0002"] = None

    async with idle_house(tmp_path, change=change) as house:
        await trio.sleep(200)
        assert (await house.verb("status"))["today"] == 1
    assert read_book(house.file.read_bytes()).is_done("req_0002", LLAMA)


async def test_all_pages_are_looked_through(tmp_path: Path, autojump_clock: MockClock) -> None:
    settings = EvalIdleSettings(enabled=True, per_day=1_000)
    async with idle_house(tmp_path, settings=settings, change=with_stored(*range(1, 251))) as house:
        await trio.sleep(130)
        assert house.ledger.listed == 3
        await trio.sleep(300)
        assert len({msgspec.json.encode(question.members) for question in house.asked}) == 1
        assert len(house.asked) == 250
        assert house.ledger.listed == 3


async def test_new_requests_are_seen_after_a_while(tmp_path: Path, autojump_clock: MockClock) -> None:
    async with idle_house(tmp_path) as house:
        await trio.sleep(200)
        house.ledger.stored.insert(0, stored(2))
        await trio.sleep(700)
        assert len(house.asked) == 2


async def test_a_retired_generation_stops_at_once_and_writes_no_more(
    tmp_path: Path, autojump_clock: MockClock
) -> None:
    def change(house: IdleHouse) -> None:
        house.script = [500.0]

    async with idle_house(tmp_path, change=change) as house:
        await trio.sleep(150)
        status = await house.verb("status")
        assert status["replaying"] == {"request_id": "req_0001", "task": "chat", "model": "t600/llama3.1:8b"}
        assert house.runtime.hooks.status_parts["eval_idle"]() == {
            "now": "replaying with t600/llama3.1:8b (chat)",
            "today": "0 of 200",
            "judged": 0,
        }
        house.runtime.hooks.retired.tell(None)
        await trio.sleep(1)
        assert house.left == 1
        await trio.sleep(5_000)
        assert (await house.verb("status"))["doing"] == "another configuration serves now"
    assert len(house.asked) == 1
    assert not house.file.exists()


async def test_what_the_generation_before_has_learned_late_is_not_lost(
    tmp_path: Path, autojump_clock: MockClock
) -> None:
    async with idle_house(tmp_path / "other", change=lambda house: house.folder.mkdir()) as before:
        await trio.sleep(200)
    async with idle_house(tmp_path) as house:
        await trio.sleep(60)
        before.file.rename(house.file)
        await trio.sleep(200)
        assert (await house.verb("status"))["judged"] == 1
    assert house.asked == []


async def test_a_broken_file_is_begun_anew(
    tmp_path: Path, autojump_clock: MockClock, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "eval-idle.json").write_text("{")
    async with idle_house(tmp_path) as house:
        await trio.sleep(200)
    assert "learning begins anew" in caplog.text
    assert read_book(house.file.read_bytes()).judged("chat", LLAMA) == 1


async def test_nothing_more_is_replayed_until_what_was_learned_is_written(
    tmp_path: Path, autojump_clock: MockClock, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "eval-idle.new").mkdir()
    async with idle_house(tmp_path, change=with_stored(1, 2)) as house:
        await trio.sleep(1_000)
        assert len(house.asked) == 1
        assert caplog.text.count("can't be written") == 1
        assert "can't be written" in (await house.verb("status"))["doing"]
        (tmp_path / "eval-idle.new").rmdir()
        await trio.sleep(60)
        assert len(house.asked) == 2
    assert read_book(house.file.read_bytes()).judged("chat", LLAMA) == 2


async def test_a_ledger_that_can_not_be_read_is_waited_for(
    tmp_path: Path, autojump_clock: MockClock, caplog: pytest.LogCaptureFixture
) -> None:
    def change(house: IdleHouse) -> None:
        house.ledger.broken = HouseFault(Code.STORE_UNAVAILABLE, "The disk is full.")

    async with idle_house(tmp_path, change=change) as house:
        await trio.sleep(200)
        assert "nothing can be replayed now: The disk is full." in caplog.text
        house.ledger.broken = None
        await trio.sleep(200)
        assert len(house.asked) == 1


async def test_what_only_paid_models_understand_is_left_out(tmp_path: Path, autojump_clock: MockClock) -> None:
    members = {
        "messages": msgspec.Raw(b'[{"role":"user","content":"x"}]'),
        "reasoning_effort": msgspec.Raw(b'"high"'),
        "max_completion_tokens": msgspec.Raw(b"90"),
        "temperature": msgspec.Raw(b"0"),
    }

    def change(house: IdleHouse) -> None:
        house.ledger.texts["req_0001"] = Quoted(id="req_0001", members=members, answer=SAID)

    async with idle_house(tmp_path, change=change) as house:
        await trio.sleep(200)
    (question,) = house.asked
    assert {name: msgspec.json.decode(raw) for name, raw in question.members.items()} == {
        "messages": [{"role": "user", "content": "x"}],
        "temperature": 0,
        "max_tokens": 90,
    }


async def test_a_report_tells_what_was_seen_and_by_what_it_was_measured(
    tmp_path: Path, autojump_clock: MockClock
) -> None:
    def change(house: IdleHouse) -> None:
        house.script = ["negative", SAID, SAID]
        house.ledger.stored = [stored(3), stored(2), stored(1, target=Target("xai", "grok-beta"))]

    async with idle_house(tmp_path, change=change) as house:
        await trio.sleep(300)
        (row,) = (await house.verb("report"))["rows"]
    assert row.pop("at_ms") > 1_790_000_000_000
    assert (round(row.pop("low"), 2), round(row.pop("high"), 2)) == (0.32, 0.89)
    assert row == {
        "task": "chat",
        "model": "t600/llama3.1:8b",
        "paid": "openai/gpt-4o-mini",
        "count": 3,
        "good": 2,
        "total": 3,
        "quality": pytest.approx(2 / 3),
        "weak_share": 0.0,
        "kinds": {"short": 3},
        "seconds": 3.0,
        "tokens_per_s": 10.0,
        "unfit": 0,
        "failed": 0,
    }
