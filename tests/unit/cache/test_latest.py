"""What was answered last: the same bytes find the same request, and nothing finds what is not its own."""

import msgspec
import pytest

from lodestard.cache.entry import Entry, Packed
from lodestard.cache.latest import MOST_ANSWER_BYTES, MOST_BODY_BYTES, Latest
from lodestard.cache.records import Kept, Ticket
from lodestard.cache.rules import Ruling
from lodestard.domain.reply import Reply
from lodestard.domain.request import Request
from lodestard.domain.upstream import Target
from lodestard.protocols.openai.chat import read_request

TARGET = Target("up", "m")


def asked(prompt: str = "p") -> tuple[bytes, Request]:
    body = msgspec.json.encode({"model": "m", "messages": [{"role": "user", "content": prompt}]})
    return body, read_request(body, depth=64)


def ticket(request: Request, target: Target = TARGET, principal: str = "ann") -> Ticket:
    return Ticket(request, target, principal, Ruling(look=True, keep=True))


def entry(size_bytes: int = 0) -> Entry:
    return Entry(key="k", target=TARGET, created_ms=0, cost_nano_usd=0, packed=Packed(b"", b"x" * size_bytes))


KEPT = Kept(reply=Reply(), target=TARGET, created_ms=0, cost_nano_usd=0)


def test_the_same_bytes_under_the_same_limit_are_the_same_request() -> None:
    latest = Latest()
    body, request = asked()
    assert latest.recall(body, 64, "openai") is None
    latest.remember(body, 64, request)
    assert latest.recall(bytes(bytearray(body)), 64, "openai") is request
    assert latest.recall(body, 63, "openai") is None
    assert latest.recall(body + b" ", 64, "openai") is None
    latest.clear()
    assert latest.recall(body, 64, "openai") is None


def test_what_was_found_is_for_that_principal_and_that_target_alone() -> None:
    latest = Latest()
    body, request = asked()
    latest.note(ticket(request), "k", entry(), KEPT)
    assert latest.find(ticket(request)) is None  # it was not remembered yet
    latest.remember(body, 64, request)
    latest.note(ticket(request), "k", kept := entry(), KEPT)
    found = latest.find(ticket(request))
    assert found is not None
    assert (found.key, found.entry is kept) == ("k", True)
    assert latest.find(ticket(request, principal="bob")) is None
    assert latest.find(ticket(request, Target("up", "n"))) is None
    assert latest.find(ticket(asked()[1])) is None  # equal, but read anew


def test_it_stays_small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lodestard.cache.latest.MOST", 2)
    latest = Latest()
    bodies = [asked(prompt) for prompt in "abc"]
    for body, request in bodies[:2]:
        latest.remember(body, 64, request)
    assert latest.recall(bodies[0][0], 64, "openai") is not None  # now the other one was used least recently
    latest.remember(bodies[2][0], 64, bodies[2][1])
    assert [latest.recall(body, 64, "openai") is not None for body, _ in bodies] == [True, False, True]
    latest.note(ticket(bodies[1][1]), "k", entry(), KEPT)
    assert latest.find(ticket(bodies[1][1])) is None
    latest.note(ticket(bodies[0][1]), "k", entry(MOST_ANSWER_BYTES + 1), KEPT)
    assert latest.find(ticket(bodies[0][1])) is None
    large = asked("x" * MOST_BODY_BYTES)
    latest.remember(large[0], 64, large[1])
    assert latest.recall(large[0], 64, "openai") is None


def test_a_body_that_is_read_anew_takes_the_place_of_the_old_reading() -> None:
    latest = Latest()
    body, first = asked()
    second = read_request(body, depth=32)
    latest.remember(body, 64, first)
    latest.remember(body, 64, first)
    latest.remember(body, 32, second)
    assert latest.recall(body, 32, "openai") is second
    latest.note(ticket(first), "k", entry(), KEPT)
    assert latest.find(ticket(first)) is None
