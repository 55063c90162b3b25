"""Past requests as the ledger has them, for a policy to be tried on.

Law: one moment of the file, read row by row in the order in which they came; nothing is guessed here. What the trace
kept of a request (its task, its labels) is taken from there. Embeddings are no chat and stand beside it.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Protocol

import msgspec

from lodestard.domain.ports import Row, Value

LEAST_TOKENS = 16
"""A shorter answer tells nothing of how fast a model writes."""

US_PER_S = 1_000_000
_CHATS = "state = 'closed' AND received_ms >= ? AND received_ms < ? AND task <> 'embedding'"
_COUNT = f"SELECT count(*) FROM request WHERE {_CHATS}"  # noqa: S608  texts of ours, here and below
_ROWS = f"""
SELECT received_ms, alias, principal, project, user, session, client, task,
    iif(upstream = '', '', upstream || '/' || model), cache, outcome, attempts, prompt_tokens, completion_tokens,
    cost_nano_usd, total_us, coalesce(json_extract(trace.body, '$.task', '$.labels'), '[]')
FROM request LEFT JOIN trace ON trace.request_seq = request.seq WHERE {_CHATS} ORDER BY received_ms, request.seq
"""  # noqa: S608
_ANSWERED = f"{_CHATS} AND outcome = 'ok' AND attempts > 0 AND completion_tokens >= {LEAST_TOKENS}"
_PACES = f"""
SELECT upstream, model, stream, count(*), sum(coalesce(first_piece_us, 0)), sum(completion_tokens),
    sum(total_us - iif(stream, coalesce(first_piece_us, 0), 0))
FROM request WHERE {_ANSWERED} GROUP BY upstream, model, stream ORDER BY stream
"""  # noqa: S608
_HARDNESS = f"""
SELECT json_extract(body, '$.task.kind'), avg(json_extract(body, '$.task.hardness'))
FROM request JOIN trace ON trace.request_seq = request.seq
WHERE {_CHATS} AND json_extract(body, '$.task') IS NOT NULL GROUP BY 1
"""  # noqa: S608


class Streaming(Protocol):
    """A database at one moment."""

    def read(self, sql: str, params: Sequence[Value] = ()) -> list[Row]: ...
    def rows(self, sql: str, params: Sequence[Value] = ()) -> Iterator[Row]: ...


class Past(msgspec.Struct, frozen=True, gc=False):
    """One request. ``target`` is who answered; ``kind`` and ``hardness`` are what it was found to be, where kept."""

    received_ms: int
    alias: str
    principal: str
    project: str
    user: str
    session: str
    client: str
    task: str
    target: str
    cache: str
    outcome: str
    attempts: int
    prompt_tokens: int
    completion_tokens: int
    cost_nano_usd: int
    total_us: int
    kind: str = ""
    hardness: float | None = None
    labels: tuple[str, ...] = ()

    @property
    def kept(self) -> bool:
        """Whether it was answered though no model was asked for it: from the cache, or by another one's answer."""
        return self.cache in ("hit", "shared") or (not self.attempts and self.outcome == "ok")


class Pace(msgspec.Struct, frozen=True):
    """How fast a target has answered: recorded means."""

    first_s: float
    tokens_per_s: float


def count_past(database: Streaming, since_ms: int, until_ms: int) -> int:
    """How many there are. Raises ``HouseFault``, as all of these."""
    return int(database.read(_COUNT, (since_ms, until_ms))[0][0] or 0)


def read_past(database: Streaming, since_ms: int, until_ms: int) -> Iterator[Past]:
    """The requests received in [since, until), one after the other."""
    for row in database.rows(_ROWS, (since_ms, until_ms)):
        yield past_of(row)


def past_of(row: Row) -> Past:
    """Pure."""
    *values, found = row
    task, labels = msgspec.json.decode(str(found)) or (None, None)
    members: dict[str, Any] = dict(zip(Past.__struct_fields__, values, strict=False))
    if task:
        members |= {"kind": str(task["kind"]), "hardness": float(task["hardness"])}
    return Past(**members, labels=tuple(labels or ()))


def read_paces(database: Streaming, since_ms: int, until_ms: int) -> Mapping[str, Pace]:
    """How fast each target has answered. Streams tell when an answer began; where there were none, the whole does."""
    paces: dict[str, Pace] = {}
    for row in database.read(_PACES, (since_ms, until_ms)):
        values: list[Any] = list(row)
        upstream, model, streamed, requests, first_us, tokens, writing_us = values
        if writing_us > 0:
            first_s = first_us / requests / US_PER_S if streamed else 0.0
            paces[f"{upstream}/{model}"] = Pace(first_s, tokens * US_PER_S / writing_us)
    return paces


def read_hardness(database: Streaming, since_ms: int, until_ms: int) -> Mapping[str, float]:
    """How hard each kind of task was, on the mean of those of which it was kept."""
    return {str(kind): float(mean or 0.0) for kind, mean in database.read(_HARDNESS, (since_ms, until_ms))}
