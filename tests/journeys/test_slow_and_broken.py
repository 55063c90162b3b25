"""An upstream that takes its time, and a ledger that can't be written."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import trio

from lodestard.domain.errors import Code, HouseFault
from lodestard.protocols.codecs import CODECS
from tests.fakes.faulty_disk import FaultyDisk, faulty_disk
from tests.fakes.world import CHAT, World, chat, open_world
from tests.journeys.conftest import Log

PRIVATE = "words of a prompt"
SOON = "[server]\nearly_head_s = 0.02\nkeep_alive_comment_s = 0.02\n"


async def test_a_stream_that_is_waited_for_gets_its_head_early_and_comments(tmp_path: Path) -> None:
    async with open_world(tmp_path, SOON) as world, world.open() as talk:
        with world.ollama.held():
            await talk.send("POST", CHAT, chat("local-llama", stream=True))
            head = await talk.receive_head()
            assert (head.status, head.headers["content-type"]) == (200, "text/event-stream")
            assert head.lodestar["model"] == "t600/llama3.1:8b"
            await talk.receive_until(b": keep-alive\n\n: keep-alive\n\n")
        answer = await talk.receive()
        assert (answer.ended, answer.events[-1]) == ("whole", "[DONE]")
        assert answer.text.startswith("[simulated")


async def test_a_stream_that_falls_silent_gets_comments(tmp_path: Path) -> None:
    async with open_world(tmp_path, SOON) as world, world.open() as talk:
        with world.openai.held(after=6):
            await talk.send("POST", CHAT, chat("gpt-4o-mini", stream=True))
            await talk.receive_until(b": keep-alive\n\n")
        assert (await talk.receive()).events[-1] == "[DONE]"


async def test_a_failure_after_the_early_head_is_an_event(tmp_path: Path) -> None:
    async with open_world(tmp_path, SOON) as world, world.open() as talk:
        world.openai.fail("slow=0.1;cut=0")
        await talk.send("POST", CHAT, chat("gpt-4o-mini", stream=True))
        answer = await talk.receive()
        assert (answer.status, answer.error["code"]) == (200, "upstream_cut")
        assert answer.ended in ("cut", "reset")
        assert "[DONE]" not in answer.events


async def test_after_the_early_head_the_next_one_may_still_answer(tmp_path: Path) -> None:
    async with open_world(tmp_path, SOON) as world, world.open() as talk:
        world.openai.fail("slow=0.1;close")
        await talk.send("POST", CHAT, chat("paid-first", stream=True))
        answer = await talk.receive()
        assert (answer.ended, answer.events[-1]) == ("whole", "[DONE]")
        assert (await world.row()).model == "grok-beta"


async def test_a_plain_answer_is_waited_for_in_silence(tmp_path: Path) -> None:
    async with open_world(tmp_path, SOON) as world:
        world.openai.fail("slow=0.1")
        answer = await world.ask("gpt-4o-mini")
        assert (answer.status, answer.is_stream) == (200, False)


async def test_an_upstream_that_says_nothing(tmp_path: Path) -> None:
    overlay = "[upstreams.openai]\nfirst_byte_timeout_s = 0.05\nplain_timeout_s = 0.05\n"
    async with open_world(tmp_path, overlay) as world:
        for stream in (False, True):
            world.openai.fail("hang")
            answer = await world.ask("gpt-4o-mini", stream=stream)
            assert (answer.status, answer.error["code"]) == (504, "upstream_timeout")
        assert {row.outcome for row in await world.rows()} == {"upstream_timeout"}


async def test_an_upstream_that_stops_in_the_middle(tmp_path: Path) -> None:
    async with open_world(tmp_path, "[upstreams.openai]\nidle_timeout_s = 0.05\n") as world:
        world.openai.fail("stall=1500")
        answer = await world.ask("gpt-4o-mini", stream=True)
        assert answer.error["code"] == "upstream_timeout"
        assert answer.ended in ("cut", "reset")


async def test_a_ledger_that_can_not_be_written_stops_paid_requests_alone(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert (await world.ask("gpt-4o-mini", temperature=0)).status == 200
    asked = world.openai.asked

    async def refuse(_work: object) -> None:
        await trio.lowlevel.checkpoint()
        raise HouseFault(Code.STORE_UNAVAILABLE, "ledger.db can't be written: the disk is full.", retry_after_s=7)

    with monkeypatch.context() as broken:
        broken.setattr(world.ledger._store, "commit", refuse)
        for stream in (False, True):
            answer = await world.ask("gpt-4o-mini", stream=stream)
            assert (answer.status, answer.error["code"]) == (503, "ledger_unavailable")
            assert answer.headers["retry-after"] == "7"
            assert "the disk is full" in answer.error["message"]
        assert (await world.ask("local-llama")).status == 200
        assert (await world.ask("gpt-4o-mini", temperature=0)).lodestar["cache"] == "hit"
        assert world.openai.asked == asked
    assert (await world.ask("gpt-4o-mini")).status == 200


async def test_a_full_disk(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    disks: list[FaultyDisk] = []

    @contextmanager
    def on_faulty_disk() -> Iterator[None]:
        with faulty_disk() as disk:
            disks.append(disk)
            yield

    async def served() -> bool:
        return (await world.ask("gpt-4o-mini")).status == 200

    async with open_world(tmp_path, around=on_faulty_disk()) as world:
        assert (await world.ask("gpt-4o-mini", temperature=0)).status == 200
        disks[0].full = True
        refused = await world.ask("gpt-4o-mini")
        assert (refused.status, refused.error["code"]) == (503, "ledger_unavailable")
        assert (await world.ask("local-llama", stream=True)).ended == "whole"
        assert (await world.ask("gpt-4o-mini", temperature=0)).lodestar["cache"] == "hit"
        assert world.openai.asked == 1
        disks[0].full = False
        with trio.fail_after(5):
            while not await served():  # noqa: ASYNC110  the ledger tries again in its own time
                await trio.sleep(0.02)
    assert "can be written again" in caplog.text


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("alias", ["local-llama", "gpt-4o-mini"])
async def test_a_defect_of_ours_ends_one_answer_and_not_the_house(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch, alias: str, stream: bool
) -> None:
    def break_down(*_arguments: object) -> None:
        raise ZeroDivisionError(PRIVATE)

    async with open_world(tmp_path) as world:
        with monkeypatch.context() as broken:
            for codec in CODECS.values():
                broken.setattr(type(codec), "reader", break_down)
            answer = await world.ask(alias, stream=stream)
            assert (answer.status, answer.error["code"]) == (500, "internal")
            assert answer.id
        assert (await world.ask(alias, stream=stream)).ended == "whole"
        assert [row.outcome for row in await world.rows()] == ["internal", "ok"]
    (error,) = [record for record in caplog.records if record.levelname == "ERROR"]
    assert "ZeroDivisionError" in error.getMessage()
    assert PRIVATE not in caplog.text


async def test_a_house_that_will_not_wait_says_so_of_what_it_cut(log: Log, tmp_path: Path) -> None:
    async with open_world(tmp_path) as world, world.open() as one, world.open() as other:
        with world.openai.held(), world.ollama.held():
            await one.send("POST", CHAT, chat("gpt-4o-mini"))
            await other.send("POST", CHAT, chat("local-llama", stream=True))
            await world.openai.wait_asked()
            await world.ollama.wait_asked()
            world.house.nursery.cancel_scope.cancel()
            assert (await one.receive()).ended in ("cut", "reset")
            assert (await other.receive()).ended in ("cut", "reset")
        told = await log.wait_requests(2)
        assert {(row["outcome"], row["status"]) for row in told} == {("shutting_down", "503")}
        totals = world.ledger.totals()
        assert (totals.held_nano_usd, totals.open_requests) == (0, 0)
        assert totals.unknown_today_nano_usd == totals.spent_today_nano_usd > 0
