"""Readers with a defect each; its target must see it, in its seeds or in few words of the format."""

import random
import re
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import pytest

from lodestard.domain.reply import Piece
from lodestard.http import content, grammar
from lodestard.http.chunks import ChunkReader
from lodestard.http.faults import Refused
from lodestard.protocols import json_text, ndjson
from lodestard.protocols.event_reader import EventReader
from lodestard.protocols.responses import stream as responses_stream
from lodestard.protocols.responses.stream import ResponseEvents
from lodestard.protocols.sse import SseParser
from lodestard.upstream.answer import _REASON, AnswerReader
from tests.fuzz.targets import TARGETS

TRIES = 5_000
Plant = Callable[[pytest.MonkeyPatch], None]


def fails(name: str) -> bool:
    """Whether its seeds, or words in any order, bring something to light."""
    target, luck = TARGETS[name], random.Random(5)
    words = [*target.words, *target.seeds]
    tries = (
        bytes([luck.randrange(256)]) + b"".join(luck.choices(words, k=luck.randrange(1, 8))) for _ in range(TRIES)
    )
    return any(_fails(target.check, data) for data in (*target.seeds, *tries))


def _fails(check: Callable[[bytes], None], data: bytes) -> bool:
    try:
        check(data)
    except (AssertionError, Refused):
        return True
    return False


def forget_a_cr(monkeypatch: pytest.MonkeyPatch) -> None:
    feed = SseParser.feed

    def feed_and_forget(self: SseParser, data: bytes) -> list[bytes]:
        self._after_cr = False
        return feed(self, data)

    monkeypatch.setattr(SseParser, "feed", feed_and_forget)


def take_a_form_feed_for_a_blank(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ndjson, "_BLANK", b" \t\r\x0c")


def lose_what_came_before_a_fault(monkeypatch: pytest.MonkeyPatch) -> None:
    def read(self: EventReader, events: Sequence[bytes]) -> list[Piece]:
        return [piece for event in events for piece in self._events.pieces(event)]

    monkeypatch.setattr(EventReader, "_read", read)


def end_before_all_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    end = ResponseEvents.end

    def end_first(self: ResponseEvents, said: Any) -> Piece:
        self.done = True
        return end(self, said)

    monkeypatch.setitem(responses_stream._READINGS, "response.completed", end_first)


def judge_the_next_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    def on_status(self: AnswerReader, reason: bytes) -> None:
        if not _REASON.fullmatch(reason):
            self._wrong = "its status line has a control byte in it"

    monkeypatch.setattr(AnswerReader, "on_status", on_status)


def let_control_bytes_through(monkeypatch: pytest.MonkeyPatch) -> None:
    lenient = grammar.HEAD.pattern.replace(r"[\t\x20-\x7e\x80-\xff]*", r"[^\r\n]*")
    monkeypatch.setattr(grammar, "HEAD", re.compile(lenient))


def leave_trailers_over(monkeypatch: pytest.MonkeyPatch) -> None:
    take = ChunkReader._take_line

    def take_and_end(self: ChunkReader, line: bytes) -> None:
        take(self, line)
        self.complete = self._in_trailers

    monkeypatch.setattr(ChunkReader, "_take_line", take_and_end)


def let_a_key_come_twice(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(json_text, "_refuse_duplicates", lambda _body, _members: None)


def stop_after_one_piece(monkeypatch: pytest.MonkeyPatch) -> None:
    undo = content._CODINGS["zstd"]

    def undo_one(body: memoryview) -> Iterator[Any]:
        yield next(undo(body))[:8]

    monkeypatch.setitem(content._CODINGS, "zstd", undo_one)


PLANTED: dict[str, Plant] = {
    "sse": forget_a_cr,
    "ndjson": take_a_form_feed_for_a_blank,
    "chat_chunks": lose_what_came_before_a_fault,
    "response_events": end_before_all_is_read,
    "message_events": lose_what_came_before_a_fault,
    "gemini_responses": lose_what_came_before_a_fault,
    "answer": judge_the_next_answer,
    "request_head": let_control_bytes_through,
    "request_chunks": leave_trailers_over,
    "request_body": let_a_key_come_twice,
    "responses_body": let_a_key_come_twice,
    "content": stop_after_one_piece,
}


@pytest.mark.parametrize("name", TARGETS)
def test_a_defect_is_seen(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    PLANTED[name](monkeypatch)
    assert fails(name)
