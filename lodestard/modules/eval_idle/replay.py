"""One replay: a stored request asked of a local model, and what its answer shows.

Law: the answer is judged in memory and forgotten; what leaves here are figures. A replay that had to give way to a
real request is no failure of the model's. It is asked by its target's name, so no other model answers, and an answer
that is not that model's, or not free, is not counted.
"""

from collections.abc import Mapping
from functools import partial
from typing import Any, Literal

import msgspec
import trio

from lodestard.domain.clock import NS_PER_S
from lodestard.domain.errors import Code, Fault
from lodestard.domain.question import Answered, Question
from lodestard.domain.quotes import Quoted
from lodestard.domain.usage import Durations
from lodestard.modules.eval_idle.book import Result
from lodestard.modules.eval_idle.judge import Said, judge, read_case
from lodestard.modules.eval_idle.plan import Replay
from lodestard.runtime import Runtime

ORIGIN = "eval-idle"
US_PER_S = 1_000_000
LEAST_ROOM_TOKENS = 256
ROOM_TIMES = 2
LIMITS = ("max_tokens", "max_completion_tokens")
OF_PAID_MODELS = ("reasoning_effort", "seed")

# Somebody else comes first, or nobody can be asked just now: it says nothing of the model.
GIVEN_WAY = frozenset(
    {
        Code.UPSTREAM_BUSY,
        Code.SUPERSEDED,
        Code.CLIENT_LEFT,
        Code.BUDGET_REFUSED,
        Code.RATE_LIMITED,
        Code.OVERLOADED,
        Code.SHUTTING_DOWN,
        Code.LEDGER_UNAVAILABLE,
        Code.NO_CANDIDATE,
        Code.UPSTREAM_UNREACHABLE,
        Code.MODEL_NOT_FOUND,
    }
)
# The model can't take such a request; asked again it could not either.
UNFIT = frozenset(
    {
        Code.CONTEXT_LENGTH_EXCEEDED,
        Code.NOT_SUPPORTED,
        Code.INVALID_REQUEST,
        Code.REQUEST_TOO_LARGE,
        Code.UPSTREAM_REJECTED,
    }
)
End = Literal["judged", "gone", "gave way", "unfit", "missing", "failed"]


class Outcome(msgspec.Struct, frozen=True):
    """How a replay ended. ``result`` is there where it was judged; ``why`` is a fault's code or a few words."""

    end: End
    result: Result | None = None
    why: str = ""


async def replay_one(replay: Replay, runtime: Runtime, timeout_s: float) -> Outcome:
    """Ask and judge. Raises ``HouseFault`` where the ledger can't be read; cancelled, nothing has happened."""
    quoted = await runtime.ledger.quotes.text_of(replay.request.id)
    if quoted is None:
        return Outcome("gone")
    question = make_question(replay, quoted, session_of(runtime.ledger.totals().day))
    answered: Answered | None = None
    with trio.move_on_after(timeout_s):
        try:
            answered = await runtime.ask(question)
        except Fault as fault:
            return read_fault(fault)
    if answered is None:
        return Outcome("failed", why=f"no answer within {timeout_s:g} s")
    if answered.target != replay.target or answered.cost_nano_usd or answered.cache != "bypass":
        return Outcome("gave way", why=f"{answered.target} answered instead")
    read = partial(read_answer, replay, quoted, answered, runtime.clock.now_ms())
    return Outcome("judged", await trio.to_thread.run_sync(read))  # a long file takes tens of milliseconds to parse


def session_of(day: str) -> str:
    """A session a day, so that none of the user's takes a replay in, and none becomes overlong. Pure."""
    return f"{ORIGIN}-{day}"


def make_question(replay: Replay, quoted: Quoted, session: str) -> Question:
    """The stored request, as it is asked of the local model: with room for twice the paid answer. Pure."""
    members = {name: raw for name, raw in quoted.members.items() if name not in (*LIMITS, *OF_PAID_MODELS)}
    room = max(LEAST_ROOM_TOKENS, ROOM_TIMES * replay.request.answer_tokens)
    limits = [limit for name in LIMITS if (limit := _integer(quoted.members, name)) is not None]
    members["max_tokens"] = msgspec.Raw(msgspec.json.encode(min([room, *limits])))
    return Question(
        origin=ORIGIN,
        model=str(replay.target),
        members=members,
        rank="idle",
        task=replay.request.task,
        session=session,
    )


def _integer(members: Mapping[str, msgspec.Raw], name: str) -> int | None:
    value: Any = msgspec.json.decode(members[name]) if name in members else None
    return value if isinstance(value, int) and value > 0 else None


def read_fault(fault: Fault) -> Outcome:
    """What a fault says of the replay. Pure."""
    why = fault.code.value
    if fault.code in GIVEN_WAY:
        return Outcome("gave way", why=why)
    if fault.code is Code.UPSTREAM_MODEL_MISSING:
        return Outcome("missing", why=why)
    return Outcome("unfit" if fault.code in UNFIT else "failed", why=why)


def read_answer(replay: Replay, quoted: Quoted, answered: Answered, now_ms: int) -> Result:
    """The verdict, and how long it took. Pure."""
    said = Said(answered.text, tuple((call.name, call.arguments) for call in answered.tool_calls))
    verdict = judge(read_case(replay.request.task, quoted), said)
    usage, durations = answered.usage, answered.durations
    answer_tokens = usage.completion_tokens if usage is not None else 0
    return Result(
        at_ms=now_ms,
        kind=verdict.kind,
        score=verdict.score,
        paid=str(replay.request.target),
        seconds=_seconds(durations) or answered.total_us / US_PER_S,
        prompt_tokens=usage.prompt_tokens if usage is not None else 0,
        answer_tokens=answer_tokens,
        tokens_per_s=answer_tokens * NS_PER_S / durations.decode_ns if durations and durations.decode_ns else 0.0,
    )


def _seconds(durations: Durations | None) -> float:
    """Of the work itself: neither waiting nor loading."""
    return 0.0 if durations is None else (durations.prefill_ns + durations.decode_ns) / NS_PER_S
