"""Which requests may look, which answers may be kept, and the reasons that are given."""

import pytest

from lodestard.cache.rules import Ruling, rule, worth_keeping
from lodestard.domain.reply import Choice, Finish, Reply, ToolCallPiece
from lodestard.domain.request import Conversation, Request, Sampling
from lodestard.domain.settings import Cache


def request(temperature: float | None) -> Request:
    return Request(
        dialect="openai",
        alias="auto",
        stream=False,
        include_usage=False,
        members={},
        conversation=Conversation(messages=(), sampling=Sampling(temperature=temperature)),
        size_bytes=0,
    )


@pytest.mark.parametrize(
    ("temperature", "reason"),
    [(None, "no temperature"), (0.31, "temperature above 0.3"), (0.3, ""), (0.0, "")],
)
def test_the_temperature_decides(temperature: float | None, reason: str) -> None:
    ruling = rule(request(temperature), Cache(), "")

    assert ruling == Ruling(look=not reason, keep=not reason, reason=reason)


def test_a_cache_that_is_off() -> None:
    assert rule(request(0), Cache(enabled=False), "") == Ruling(look=False, keep=False, reason="the cache is off")


@pytest.mark.parametrize(
    ("cache_control", "ruling"),
    [
        ("no-store", Ruling(look=False, keep=False, reason="no-store")),
        ("No-Cache", Ruling(look=False, keep=True, reason="no-cache")),
        ("max-age=0", Ruling(look=False, keep=True, reason="no-cache")),
        ("no-cache, no-store", Ruling(look=False, keep=False, reason="no-store")),
        ('x, max-age="60"', Ruling(look=True, keep=True, max_age_s=60.0)),
        ("max-age=99999999999999", Ruling(look=True, keep=True, max_age_s=2.0**31)),
        ("max-age=soon", Ruling(look=True, keep=True)),
        ("max-age=-1", Ruling(look=True, keep=True)),
        ("max-age", Ruling(look=True, keep=True)),
        (",=,;", Ruling(look=True, keep=True)),
    ],
)
def test_cache_control(cache_control: str, ruling: Ruling) -> None:
    assert rule(request(0), Cache(), cache_control) == ruling


def reply(*choices: Choice) -> Reply:
    return Reply(choices=choices)


@pytest.mark.parametrize(
    ("finish", "kept"),
    [
        ("stop", True),
        ("length", True),
        ("tool_calls", True),
        ("content_filter", False),
        ("error", False),
        (None, False),
    ],
)
def test_only_whole_answers_are_kept(finish: Finish | None, kept: bool) -> None:
    assert worth_keeping(reply(Choice(text="x", finish=finish))) is kept


def test_an_answer_needs_content_in_every_choice() -> None:
    good = Choice(text="x", finish="stop")

    assert worth_keeping(reply(good, Choice(tool_calls=(ToolCallPiece(0, "a", "b", "{}"),), finish="tool_calls")))
    assert worth_keeping(reply(Choice(refusal="no", finish="stop")))
    assert not worth_keeping(reply(good, Choice(finish="stop")))
    assert not worth_keeping(reply(Choice(reasoning="hm", finish="stop")))
    assert not worth_keeping(reply())
