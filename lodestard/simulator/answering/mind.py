"""Where an answer comes from: a header, a queue, a script, or the simulator's own words, in this order.

Owner of the queue of exact answers: one `Mind` per simulator.
"""

from collections import deque
from collections.abc import Iterable
from urllib.parse import unquote

import msgspec

from lodestard.simulator.answering.aider import answer_aider
from lodestard.simulator.answering.instances import instance_of
from lodestard.simulator.answering.prose import infill, plain_answer, thoughts
from lodestard.simulator.answering.question import Answer, Question, Script
from lodestard.simulator.answering.toolcalls import choose_calls


class Mind:
    """Answers questions. ``script`` may answer in its place."""

    def __init__(self, script: Script | None = None) -> None:
        self._script = script
        self._queue: deque[Answer] = deque()

    def queue(self, answers: Iterable[Answer | str]) -> None:
        """The next questions get exactly these, one each."""
        self._queue.extend(_as_answer(answer) for answer in answers)

    def clear(self) -> None:
        self._queue.clear()

    def answer(self, question: Question, header: str | None = None) -> Answer:
        """``header`` is ``x-sim-answer``: text, percent-encoded where it must be, or an `Answer` as JSON."""
        if header is not None:
            return read_answer(header)
        if self._queue:
            return self._queue.popleft()
        if self._script is not None and (given := self._script(question)) is not None:
            return _as_answer(given)
        return own_answer(question)


def own_answer(question: Question) -> Answer:
    """Pure: what the simulator says when nobody scripted it."""
    if (edit := answer_aider(question)) is not None:
        return Answer(text=edit)
    thinking = thoughts(question) if question.thinking else ""
    if calls := choose_calls(question):
        return Answer(calls=calls, thinking=thinking)
    if question.schema is not None:
        return Answer(text=_encoded(instance_of(question.schema)), thinking=thinking)
    if question.json_wanted:
        return Answer(text=_encoded({"answer": plain_answer(question)}), thinking=thinking)
    if question.suffix is not None:
        return Answer(text=infill(question))
    return Answer(text=plain_answer(question), thinking=thinking)


def read_answer(text: str) -> Answer:
    """A header's or a body's exact answer. Text that is no `Answer` in JSON is the answer's text."""
    plain = unquote(text)
    if plain.startswith("{"):
        try:
            return msgspec.json.decode(plain, type=Answer)
        except msgspec.MsgspecError:
            return Answer(text=plain)
    return Answer(text=plain)


def _as_answer(given: Answer | str) -> Answer:
    return Answer(text=given) if isinstance(given, str) else given


def _encoded(value: object) -> str:
    return msgspec.json.encode(value).decode()
