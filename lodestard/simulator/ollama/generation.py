"""Words from a model on the card: load, read the prompt, write token by token, in Ollama's NDJSON.

Law: no byte leaves before the model is loaded and its first token exists; after the first byte an error is a
line of its own. Durations are trio time in nanoseconds; a zero value is left out.
"""

from collections.abc import Iterator
from typing import Any

import msgspec
import trio

from lodestard.simulator.answering.question import Answer, Json, Turn
from lodestard.simulator.card.arithmetic import prefill_s
from lodestard.simulator.card.figures import Machine, Model
from lodestard.simulator.card.scheduler import Claim, Runner
from lodestard.simulator.exchange import Exchange
from lodestard.simulator.limits import limit_text
from lodestard.simulator.ollama.prompting import Prompting, prompt_tokens, render
from lodestard.simulator.ollama.shapes import Shape
from lodestard.simulator.tokens import count_tokens

_NS = 1_000_000_000
NDJSON = [("Content-Type", "application/x-ndjson")]
PLAIN = [("Content-Type", "application/json; charset=utf-8")]


class Job(msgspec.Struct, frozen=True, kw_only=True):
    """One generation: what was asked, of which model, and what will be said."""

    prompting: Prompting
    model: Model
    turns: tuple[Turn, ...]
    answer: Answer
    shape: Shape
    claim: Claim


class Timings:
    """Trio times of one generation's phases."""

    __slots__ = ("began", "loaded", "prompt_read")

    def __init__(self) -> None:
        self.began = self.loaded = self.prompt_read = trio.current_time()


async def generate(job: Job, runner: Runner, exchange: Exchange, timings: Timings, machine: Machine) -> None:
    """Answers on ``exchange``. Cancelled when the client leaves: the slot keeps what was read."""
    prompt = render(job.turns, job.prompting.tools)
    slot, shared = runner.slots.take(prompt)
    said: list[str] = []
    try:
        tokens = prompt_tokens(job.turns, job.prompting.tools)
        runner.tally.prompt_tokens += tokens
        runner.tally.read_tokens += tokens - shared
        with runner.tally.timed("reading_s"):
            await _pause(prefill_s(job.model, tokens - shared, machine))
        timings.prompt_read = trio.current_time()
        line = _Line(job, timings, tokens, runner.decode_s)
        with runner.tally.timed("writing_s"):
            await (_stream(job, exchange, line, said) if job.prompting.stream else _whole(job, exchange, line))
    finally:
        runner.slots.give_back(slot, prompt + "".join(said))


class Step(msgspec.Struct, frozen=True):
    """One piece of an answer: ``kind`` is text, thinking or calls; ``tokens`` it cost; ``end`` on the last."""

    kind: str
    text: str = ""
    tokens: int = 1
    end: str = ""


def plan_steps(job: Job) -> Iterator[Step]:
    """Pure: the answer as it is written. Ends with a step of kind ``end``."""
    limit, written = job.prompting.max_tokens, 0
    if not job.prompting.shift:
        room = max(0, job.claim.options.num_ctx - prompt_tokens(job.turns, job.prompting.tools))
        limit = room if limit is None else min(limit, room)
    for kind, text in (("thinking", job.answer.thinking), ("text", job.answer.text)):
        left = None if limit is None else limit - written
        part = limit_text(text, left, job.prompting.stops if kind == "text" else ())
        yield from (Step(kind, piece) for piece in part.pieces)
        written += len(part.pieces)
        if part.reason == "length":
            yield Step("end", tokens=0, end="length")
            return
    if job.answer.calls:
        cost = sum(count_tokens(msgspec.json.encode(call).decode()) for call in job.answer.calls)
        yield Step("calls", tokens=cost)
    yield Step("end", tokens=0, end="stop")


class _Line:
    """Writes lines of one answer."""

    def __init__(self, job: Job, timings: Timings, prompt_tokens: int, decode_s: float) -> None:
        self._job = job
        self._timings = timings
        self._prompt_tokens = prompt_tokens
        self._decode_s = decode_s
        self.written = 0

    async def wait_written(self, step: Step) -> None:
        """As long as the card takes to write it."""
        await _pause(self._decode_s * step.tokens)
        self.written += step.tokens

    def piece(self, step: Step) -> bytes:
        """Not the last line."""
        shape = self._job.shape
        body = shape.calls(self._job.answer.calls) if step.kind == "calls" else shape.piece(step.kind, step.text)
        return msgspec.json.encode({**shape.opening(), **body, "done": False}) + b"\n"

    def last(self, reason: str, body: dict[str, Json], *, usage: bool) -> bytes:
        line = {**self._job.shape.opening(), **body, "done": True, "done_reason": reason}
        if usage:
            line |= self.figures()
        return msgspec.json.encode(line) + b"\n"

    def figures(self) -> dict[str, int]:
        """Durations and counts; zero values are left out."""
        times, now = self._timings, trio.current_time()
        found = {
            "total_duration": round((now - times.began) * _NS),
            "load_duration": round((times.loaded - times.began) * _NS),
            "prompt_eval_count": self._prompt_tokens,
            "prompt_eval_duration": round((times.prompt_read - times.loaded) * _NS),
            "eval_count": self.written,
            "eval_duration": round((now - times.prompt_read) * _NS),
        }
        return {name: value for name, value in found.items() if value}


async def _stream(job: Job, exchange: Exchange, line: _Line, said: list[str]) -> None:
    fault, reply = exchange.fault, exchange.reply
    for sent, step in enumerate(plan_steps(job)):
        await line.wait_written(step)
        if not reply.started:
            await reply.start(200, NDJSON)
            if fault.big_event is not None:
                await reply.send(line.piece(Step("text", "x" * fault.big_event)))
        if fault.error is not None and sent >= fault.error:
            await reply.send(msgspec.json.encode({"error": fault.message or "an error was encountered"}) + b"\n")
            break
        if step.kind == "end":
            if not fault.no_done:
                last = line.last(step.end, job.shape.ending(said), usage=not fault.no_usage)
                await reply.send(last * (2 if fault.double_usage else 1))
            break
        said.append(step.text if step.kind == "text" else "")
        await reply.send(line.piece(step))
    await reply.finish()


async def _whole(job: Job, exchange: Exchange, line: _Line) -> None:
    said: dict[str, list[str]] = {"text": [], "thinking": []}
    reason, called = "stop", False
    for step in plan_steps(job):
        await line.wait_written(step)
        if step.kind in said:
            said[step.kind].append(step.text)
        called = called or step.kind == "calls"
        reason = step.end or reason
    calls = job.answer.calls if called else ()
    body: dict[str, Any] = job.shape.whole("".join(said["text"]), "".join(said["thinking"]), calls)
    usage = not exchange.fault.no_usage
    data = line.last(reason, {**body, **job.shape.context("".join(said["text"]))}, usage=usage).rstrip(b"\n")
    await exchange.reply.whole(200, PLAIN, data)


async def _pause(seconds: float) -> None:
    """No checkpoint for no time: the instant profile must not pay for it; sends are checkpoints anyway."""
    if seconds > 0:
        await trio.sleep(seconds)
