"""Why a request went as it did: plain data for ``lodestarctl explain``, made once, when the request ends.

Law: pure; figures, names and reasons only, never a word of prompt or answer.
"""

from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import msgspec

from lodestard.domain.attempt import AttemptRecord
from lodestard.domain.host_ports import Place
from lodestard.domain.money import format_usd
from lodestard.domain.news import RequestEnded
from lodestard.domain.price import Price
from lodestard.domain.reply import Reply
from lodestard.domain.request import Caller, Request
from lodestard.domain.task import Task
from lodestard.domain.upstream import Candidate, Merit, Plan, Rejection

ASKED_WITH = (
    "tools",
    "tool_choice",
    "parallel_tool_calls",
    "functions",
    "function_call",
    "response_format",
    "temperature",
    "top_p",
    "seed",
    "stop",
    "max_tokens",
    "max_completion_tokens",
    "presence_penalty",
    "frequency_penalty",
    "reasoning_effort",
)
ASKED = ("messages", "input", "prompt")
"""What a request asks, by its dialect: a chat's, a response's or an embedding's, a completion's."""

BESIDE = ("system", "instructions", "suffix")
"""What some dialects say of it beside."""

NS_PER_US = 1_000
US_PER_MS = 1_000


def write_trace(
    plan: Plan, reason: str, cache_reason: str, attempts: list[AttemptRecord], received_ns: int
) -> dict[str, Any]:
    """The trace of one request. Times are microseconds since its head was read; ``reason``: why this model."""
    return {
        "reason": reason,
        **_choice(plan),
        "candidates": _candidates(plan.candidates) if not plan.prefer else _list(plan.candidates),
        "rejected": _rejected(plan.rejected) if plan.rejected else [],
        "cache": cache_reason,
        "attempts": [_attempt(record, received_ns) for record in attempts] if attempts else [],
    }


def _rejected(rejected: Sequence[Rejection]) -> list[dict[str, str]]:
    return [{"target": str(rejection.target), "reason": rejection.reason} for rejection in rejected]


def may_quote(caller: Caller, cache_control: str) -> bool:
    """Whether text may be kept where ``ledger.store_text`` is on: not what the house asks itself, and not where the
    client says ``no-store`` (RFC 9111, section 5.2.1.5: nothing of the request or of the answer).
    """
    if caller.origin:
        return False
    return not cache_control or "no-store" not in [part.strip().lower() for part in cache_control.split(",")]


def quote(request: Request, reply: Reply | None) -> dict[str, Any]:
    """Prompt and answer, for those who switched ``ledger.store_text`` on; the only place where they are written.

    ``prompt`` and what stands ``beside`` it are in the words of the request's own dialect. ``settings`` are the
    members that say what the answer shall be like: with them a chat can be asked again. Vectors are no text.
    """
    choices = reply.choices if reply is not None and request.conversation.embedding is None else ()
    asked = next((request.members[name] for name in ASKED if name in request.members), msgspec.Raw(b"null"))
    return {
        "prompt": asked,
        "beside": _members(request, BESIDE),
        "settings": _members(request, ASKED_WITH),
        "answers": [choice.text for choice in choices],
        "calls": [[(call.name, call.arguments) for call in choice.tool_calls] for choice in choices],
    }


def _members(request: Request, names: Sequence[str]) -> dict[str, msgspec.Raw]:
    return {name: request.members[name] for name in names if name in request.members}


def _choice(plan: Plan) -> dict[str, Any]:
    """What was found of the request, and what was wanted of the choice, where there is something to say."""
    said = told_task(plan.task)
    if plan.prefer:
        said["prefer"] = plan.prefer
    if plan.rules:
        said["rules"] = list(plan.rules)
    if plan.labels:
        said["labels"] = sorted(plan.labels)
    return said


def told_task(task: Task | None) -> dict[str, Any]:
    """What a request was found to be: by the choice where that has looked, otherwise once it was answered."""
    return {} if task is None else {"task": msgspec.to_builtins(task)}


@lru_cache(maxsize=256)
def _candidates(candidates: tuple[Candidate, ...]) -> msgspec.Raw:
    """As JSON. One plan serves many requests."""
    return msgspec.Raw(msgspec.json.encode(_list(candidates)))


def _list(candidates: tuple[Candidate, ...]) -> list[dict[str, Any]]:
    return [_candidate(candidate) for candidate in candidates]


def _candidate(candidate: Candidate) -> dict[str, Any]:
    return {
        "target": str(candidate.target),
        "free": candidate.free,
        "up": candidate.up,
        "price": _price(candidate.price),
        "predicted_wait_s": candidate.predicted_wait_s,
        **({} if candidate.merit is None else {"merit": _merit(candidate.merit)}),
        **({"passed_over": candidate.passed_over} if candidate.passed_over else {}),
    }


def _merit(merit: Merit) -> dict[str, Any]:
    rounded = {"quality": round(merit.quality, 4), "wait_s": round(merit.wait_s, 3), "seen": round(merit.seen, 2)}
    return msgspec.structs.asdict(merit) | rounded


def _price(price: Price | None) -> dict[str, Any] | None:
    if price is None:
        return None
    return {
        "input_pico_usd": price.input_pico_usd,
        "output_pico_usd": price.output_pico_usd,
        "source": price.source,
    }


def _attempt(record: AttemptRecord, received_ns: int) -> dict[str, Any]:
    moments_ns = (
        record.started_ns,
        record.admitted_ns,
        record.dialled_ns,
        record.first_piece_ns,
        record.ended_ns,
    )
    started_us, admitted_us, dialled_us, first_piece_us, ended_us = [
        (moment_ns - received_ns) // NS_PER_US if moment_ns else None for moment_ns in moments_ns
    ]
    return {
        "target": str(record.candidate.target),
        "ordinal": record.held.ordinal if record.held is not None else 0,
        "outcome": record.outcome,
        "detail": record.detail,
        "limit_tokens": record.limit_tokens,
        "by_budget": record.by_budget,
        "room_tokens": record.room_tokens,
        **_waiting(record.place),
        **_translation(record),
        "hold_nano_usd": record.hold_nano_usd,
        "cost_nano_usd": record.cost_nano_usd,
        "started_us": started_us,
        "admitted_us": admitted_us,
        "dialled_us": dialled_us,
        "first_piece_us": first_piece_us,
        "ended_us": ended_us,
    }


def _translation(record: AttemptRecord) -> dict[str, Any]:
    """What was lost or done otherwise on the way into the upstream's dialect; the check that failed; whether it was
    started beside another one, and what led on from it.
    """
    said: dict[str, Any] = {}
    if record.sent_as.dropped:
        said["dropped"] = list(record.sent_as.dropped)
    if record.sent_as.notes:
        said["translation"] = list(record.sent_as.notes)
    if record.check:
        said["check"] = record.check
    if record.hedge:
        said["hedge"] = True
    if record.led_on:
        said["fallback"] = record.led_on
    return said


def _waiting(place: Place | None) -> dict[str, Any]:
    """How an attempt came to its place, where there is something to say."""
    if place is None:
        return {}
    said: dict[str, Any] = {}
    if notes := place.notes:
        said["notes"] = list(notes)
    if (wait := place.predicted) is not None:
        said["wait"] = {"likely_s": wait.likely_s, "low_s": wait.low_s, "high_s": wait.high_s, "why": wait.why}
    return said


def log_fields(ended: RequestEnded) -> dict[str, str | int]:
    """The fields of a request's log record."""
    closing, caller = ended.closing, ended.caller
    fields: dict[str, str | int | None] = {
        "request_id": ended.request_id,
        "outcome": closing.outcome,
        "status": closing.status,
        "alias": ended.alias,
        "model": str(closing.target) if closing.target is not None else None,
        "cache": closing.cache,
        "attempts": ended.attempts,
        "cost_usd": format_usd(ended.cost_nano_usd),
        "prompt_tokens": closing.usage.prompt_tokens if closing.usage is not None else None,
        "completion_tokens": closing.usage.completion_tokens if closing.usage is not None else None,
        "total_ms": closing.total_us // US_PER_MS,
        "first_piece_ms": closing.first_piece_us // US_PER_MS if closing.first_piece_us is not None else None,
        "overhead_us": closing.overhead_us,
        "client": caller.client,
        "project": caller.project,
    }
    return {name: value for name, value in fields.items() if value is not None and value != ""}
