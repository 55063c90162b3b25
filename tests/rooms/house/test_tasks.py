"""Kinds of work on the way of requests: what a client names, how often there is time, what people correct."""

import pytest
import trio
import trio.testing

from lodestard.classify.reading import Reading, read
from lodestard.domain.request import Caller, Conversation, Message, Request, TextPart
from lodestard.domain.task import Task
from lodestard.tasks import MOST_A_SECOND, MOST_REMEMBERED, Tasks

ASKED = "Why does this loop never end? It hangs after the second pass and prints nothing."


def ask(text: str = ASKED) -> Request:
    message = Message(role="user", parts=(TextPart(text),))
    return Request(
        dialect="openai",
        alias="auto",
        stream=False,
        include_usage=False,
        members={},
        conversation=Conversation(messages=(message,)),
        size_bytes=len(text),
    )


async def test_a_kind_that_its_client_names_stands_and_no_other_label_does() -> None:
    tasks = Tasks()
    assert tasks.find(ask(), Caller(task="chat"), ()).kind == "debug"
    assert tasks.find(ask(), Caller(task="something"), ()).kind == "debug"
    named = tasks.find(ask(), Caller(task="review"), ())
    assert (named.kind, named.why) == ("review", "said by its client")
    assert named.hardness == tasks.find(ask(), Caller(task="chat"), ()).hardness


async def test_there_is_time_for_so_many_a_second(autojump_clock: trio.testing.MockClock) -> None:
    tasks, known = Tasks(), Task(kind="plan")
    found = [tasks.note_end(str(number), ask(), Caller(), None, ()) for number in range(MOST_A_SECOND + 5)]
    assert [one is not None for one in found] == [True] * MOST_A_SECOND + [False] * 5
    assert tasks.note_end("late", ask(), Caller(), known, ()) is known
    await trio.sleep(1)
    assert tasks.note_end("next", ask(), Caller(), None, ()) is not None


async def test_what_a_person_corrects_is_learned_and_kept(autojump_clock: trio.testing.MockClock) -> None:
    tasks = Tasks()
    assert tasks.dump() == Tasks().dump()
    tasks.note_end("req_1", ask(), Caller(), None, ())
    assert not tasks.correct("req_2", "explain")
    for _ in range(4):
        assert tasks.correct("req_1", "explain")
    again = Tasks(tasks.dump())
    assert tasks.find(ask(), Caller(), ()).kind == again.find(ask(), Caller(), ()).kind == "explain"
    assert ASKED.encode() not in tasks.dump()
    before = tasks.dump()
    assert tasks.correct("req_1", "plan")
    assert tasks.dump() != before


@pytest.mark.repeats
async def test_few_are_remembered_and_what_is_damaged_is_learned_anew(
    autojump_clock: trio.testing.MockClock,
) -> None:
    tasks = Tasks(b"garbage")
    assert tasks.dump() == Tasks().dump()
    for number in range(MOST_REMEMBERED + 1):
        tasks.note_end(str(number), ask(), Caller(), None, ())
        await trio.sleep(1)
    assert not tasks.correct("0", "plan")
    assert tasks.correct(str(MOST_REMEMBERED), "plan")


async def test_what_is_looked_at_after_the_reply_is_read_once(
    autojump_clock: trio.testing.MockClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    times = 0

    def count(request: Request) -> Reading:
        nonlocal times
        times += 1
        return read(request)

    monkeypatch.setattr("lodestard.classify.classify.read", count)
    tasks = Tasks()
    assert tasks.note_end("req_1", ask(), Caller(), None, ()) is not None
    assert tasks.correct("req_1", "explain")
    assert times == 1
