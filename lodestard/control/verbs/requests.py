"""``requests``, ``requests.follow``, ``explain``."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, TypeVar

import msgspec
import trio

from lodestard.control.messages import (
    AttemptRow,
    CandidateRow,
    Explanation,
    MeritRow,
    RequestList,
    RequestRow,
    ShadowRow,
    TaskFound,
)
from lodestard.control.messages.feedback import FeedbackRow
from lodestard.control.messages.gpu import Estimate
from lodestard.control.verbs.attempt import AttemptRecord
from lodestard.control.verbs.desk import Desk, Explained, RequestRecord
from lodestard.domain.errors import CallerFault, Code
from lodestard.domain.feedback import Given
from lodestard.domain.news import RequestEnded
from lodestard.domain.verbs import Argument, Arguments, Emits, Verb

US_PER_MS = 1_000
MOST = 1_000
NEWS_KEPT = 1_000
MIN_WORD = 4
T = TypeVar("T")


def request_verbs(desk: Desk) -> tuple[Verb, ...]:
    async def requests(arguments: Arguments) -> RequestList:
        return RequestList(requests=tuple(await read_latest(desk, arguments["last"])))

    async def follow(arguments: Arguments, emit: Emits[RequestRow]) -> None:
        await follow_requests(desk, arguments["last"], emit)

    async def explain(arguments: Arguments) -> Explanation:
        found = await find_request(desk, arguments["id"])
        judged = tuple(map(feedback_row, desk.feedback.of_request(found.request.id)))
        return msgspec.structs.replace(explanation(found), feedback=judged)

    last = (Argument(name="last", kind="integer", default=20, help="how many"),)
    which = (Argument(name="id", required=True, help="the request's id, or the end of it"),)
    return (
        Verb(name="requests", summary="the latest requests", needs="read", arguments=last, answer=requests),
        Verb(name="requests.follow", summary="requests as they end", needs="read", arguments=last, stream=follow),
        Verb(name="explain", summary="all about one request", needs="read", arguments=which, answer=explain),
    )


async def read_latest(desk: Desk, last: int) -> list[RequestRow]:
    """The latest requests, oldest first. Raises ``CallerFault`` for a number that is out of range."""
    if not 0 <= last <= MOST:
        raise CallerFault(Code.INVALID_REQUEST, f"last must be from 0 to {MOST}.", param="last")
    rows = await desk.reports.requests(last) if last else ()
    return [request_row(row) for row in reversed(rows)]


async def follow_requests(desk: Desk, last: int, emit: Emits[RequestRow]) -> None:
    """The latest, then each one as it ends, until cancelled. A caller that is too slow misses some."""
    news, listen = trio.open_memory_channel[RequestEnded](NEWS_KEPT)

    def hear(ended: RequestEnded) -> None:
        try:
            news.send_nowait(ended)
        except trio.WouldBlock:
            return

    with desk.hear_ended(hear), news:
        for row in await read_latest(desk, last):
            await emit(row)
        async for ended in listen:
            await emit(news_row(ended, desk.runtime.clock.now_ms()))


async def find_request(desk: Desk, word: str) -> Explained:
    """By its whole id, or among the latest by the end of it. Raises ``CallerFault``."""
    found = await desk.reports.explain(word)
    if found is not None:
        return found
    near = (
        [row.id for row in await desk.reports.requests(MOST) if row.id.endswith(word)]
        if len(word) >= MIN_WORD
        else []
    )
    if len(near) > 1:
        raise CallerFault(
            Code.INVALID_REQUEST, f"{len(near)} requests end with {word!r}; say more of the id.", param="id"
        )
    found = await desk.reports.explain(near[0]) if near else None
    if found is None:
        raise CallerFault(
            Code.NOT_FOUND, f"There is no request {word!r}. lodestarctl requests lists them.", param="id"
        )
    return found


def request_row(row: RequestRecord) -> RequestRow:
    """A row of the ledger → a row for people. Pure."""
    ended = row.state != "open"
    baseline = row.baseline_nano_usd
    return RequestRow(
        request_id=row.id,
        started_ms=row.received_ms,
        alias=row.alias,
        target=target_of(row),
        outcome=row.outcome or ("crashed" if row.state == "crashed" else ""),
        status=row.status,
        cache=row.cache,
        stream=bool(row.stream),
        attempts=row.attempts,
        total_ms=row.total_us // US_PER_MS if ended else None,
        first_piece_ms=None if row.first_piece_us is None else row.first_piece_us // US_PER_MS,
        overhead_us=row.overhead_us if ended else None,
        prompt_tokens=row.prompt_tokens,
        completion_tokens=row.completion_tokens,
        cached_tokens=row.cached_tokens,
        reasoning_tokens=row.reasoning_tokens,
        cost_nano_usd=row.cost_nano_usd,
        saved_nano_usd=None if baseline is None else baseline - row.cost_nano_usd,
        principal=row.principal,
        project=row.project,
        user=row.user,
        session=row.session,
        client=row.client,
        task=row.task,
        switched_from=row.switched_from,
    )


def target_of(row: RequestRecord | AttemptRecord) -> str:
    return f"{row.upstream}/{row.model}" if row.upstream else ""


def news_row(ended: RequestEnded, now_ms: int) -> RequestRow:
    """News of a request that has just ended → a row. Pure."""
    closing = ended.closing
    usage = closing.usage
    return RequestRow(
        request_id=ended.request_id,
        started_ms=now_ms - closing.total_us // US_PER_MS,
        alias=ended.alias,
        target=str(closing.target) if closing.target is not None else "",
        outcome=closing.outcome,
        status=closing.status,
        cache=closing.cache,
        attempts=ended.attempts,
        total_ms=closing.total_us // US_PER_MS,
        first_piece_ms=None if closing.first_piece_us is None else closing.first_piece_us // US_PER_MS,
        overhead_us=closing.overhead_us,
        prompt_tokens=usage.prompt_tokens if usage is not None else None,
        completion_tokens=usage.completion_tokens if usage is not None else None,
        cost_nano_usd=ended.cost_nano_usd,
        principal=ended.caller.principal,
        project=ended.figures.project,
        user=ended.caller.user,
        session=ended.figures.session,
        client=ended.caller.client,
        task=ended.caller.task,
        switched_from=ended.figures.switched_from,
    )


def explanation(found: Explained) -> Explanation:
    """The ledger's rows and the hallway's trace → what a person is told. Pure."""
    trace = found.trace
    traced = traced_attempts(trace)
    notes = [f"the cache was passed by: {why}" for why in (str(trace.get("cache") or ""),) if why]
    if not trace:
        notes.append(
            "how it was chosen was not kept: the request is under way, or the daemon was stopped in its midst"
        )
    return Explanation(
        request=request_row(found.request),
        reason=str(trace.get("reason") or ""),
        candidates=candidates(trace),
        attempts=tuple(
            attempt_row(row, traced.get(ordinal, {})) for ordinal, row in enumerate(found.attempts, start=1)
        ),
        notes=(*notes, *unheld_notes(trace)),
        task=_said(trace.get("task"), TaskFound),
        prefer=str(trace.get("prefer") or ""),
        rules=_texts(trace.get("rules")),
        labels=_texts(trace.get("labels")),
        shadow=_said(trace.get("shadow"), ShadowRow),
    )


def traced_attempts(trace: Mapping[str, Any]) -> Mapping[int, Mapping[str, Any]]:
    """By their numbers in the ledger: two that were asked at once may have been held in another order."""
    traced = _mappings(trace.get("attempts"))
    return {item.get("ordinal", place): item for place, item in enumerate(traced, start=1)}


def unheld_notes(trace: Mapping[str, Any]) -> Iterator[str]:
    """Attempts that came to nothing before anything was held for them."""
    for item in _mappings(trace.get("attempts")):
        if item.get("ordinal") == 0:
            yield f"{item.get('target')} was not sent anything: {item.get('outcome')}"


def _mappings(value: object) -> Sequence[Mapping[str, Any]]:
    return [item for item in value if isinstance(item, Mapping)] if isinstance(value, list | tuple) else []


def candidates(trace: Mapping[str, Any]) -> tuple[CandidateRow, ...]:
    """Who might have answered, in order, and who was ruled out."""
    chosen = [
        CandidateRow(
            target=str(item.get("target")),
            chosen=True,
            reason=str(item.get("passed_over") or ("free" if item.get("free") else "")),
            up=bool(item.get("up", True)),
            predicted_wait_s=item.get("predicted_wait_s"),
            merit=_said(item.get("merit"), MeritRow),
        )
        for item in _mappings(trace.get("candidates"))
    ]
    rejected = [
        CandidateRow(target=str(item.get("target")), chosen=False, reason=str(item.get("reason")))
        for item in _mappings(trace.get("rejected"))
    ]
    return (*chosen, *rejected)


def attempt_row(row: AttemptRecord, traced: Mapping[str, Any]) -> AttemptRow:
    """The money is the ledger's, the times within it are the trace's."""
    return AttemptRow(
        target=target_of(row),
        outcome=str(traced.get("outcome") or row.reason or ("ok" if row.state == "captured" else row.state)),
        state=row.state,
        detail=str(traced.get("detail") or ""),
        limit_tokens=traced.get("limit_tokens"),
        hold_nano_usd=row.held_nano_usd,
        cost_nano_usd=row.cost_nano_usd,
        place_ms=_between_ms(traced, "started_us", "admitted_us"),
        wait_ms=_between_ms(traced, "started_us", "dialled_us"),
        first_piece_ms=_between_ms(traced, "dialled_us", "first_piece_us"),
        total_ms=row.total_us // US_PER_MS,
        prompt_tokens=row.prompt_tokens,
        completion_tokens=row.completion_tokens,
        price=row.price,
        notes=(*_texts(traced.get("notes")), *translation_notes(traced)),
        wait=_said(traced.get("wait"), Estimate),
        room_tokens=traced.get("room_tokens"),
    )


def translation_notes(traced: Mapping[str, Any]) -> Iterator[str]:
    """What was lost or done otherwise in the upstream's dialect; which check its answer failed; what it led to."""
    if (limit := traced.get("limit_tokens")) is not None and traced.get("by_budget") is False:
        yield f"output limited to {limit} tokens, for its dialect demands a limit and the request names none"
    if dropped := _texts(traced.get("dropped")):
        yield f"left out, for its dialect can't carry it: {', '.join(dropped)}"
    yield from _texts(traced.get("translation"))
    if isinstance(failed := traced.get("check"), str) and failed:
        yield f"its answer failed the check {failed}"
    if traced.get("hedge"):
        yield "started beside another one that said nothing"
    if isinstance(led_on := traced.get("fallback"), str):
        yield f"the next one was asked because of {led_on.replace('_', ' ')}"


def _texts(value: object) -> tuple[str, ...]:
    return tuple(item for item in value if isinstance(item, str)) if isinstance(value, list | tuple) else ()


def _said(value: object, kind: type[T]) -> T | None:
    """A part of the trace; None where it is not there, or an older daemon wrote it otherwise."""
    try:
        return None if value is None else msgspec.convert(value, kind)
    except msgspec.ValidationError:
        return None


def _between_ms(traced: Mapping[str, Any], start: str, end: str) -> int | None:
    first, last = traced.get(start), traced.get(end)
    return (last - first) // US_PER_MS if isinstance(first, int) and isinstance(last, int) else None


def feedback_row(given: Given) -> FeedbackRow:
    """A row of the ledger → a row for people. Pure."""
    return FeedbackRow(
        request_id=given.request_id,
        source=given.source,
        target=given.target,
        verdict=given.verdict,
        kind=given.kind,
        at_ms=given.at_ms,
        weight=given.weight,
        project=given.project,
    )
