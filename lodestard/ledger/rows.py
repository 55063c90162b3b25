"""What is written, and how: the rows of the ledger and the works that write them.

Law: every work leaves the tables whole: attempt and postings change together, and with them the sums of a request
that has ended; one that is open has none yet. Where a request has paid attempts its figures are summed from them by
the database itself. Works touch only what they are given (they run on the writer's thread, perhaps more than once).
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from typing import Literal, NamedTuple

import msgspec

from lodestard.domain.closing import Closed
from lodestard.domain.errors import Code, HouseFault
from lodestard.domain.ports import Row, Tx
from lodestard.ledger.sums import amended

State = Literal["held", "captured", "released", "unknown"]


class Move(NamedTuple):
    """An amount on its way from one book to another."""

    event: str
    from_book: str
    to_book: str
    nano_usd: int


class RequestRow(msgspec.Struct, frozen=True, gc=False):
    """A request as its table has it; the members are its columns, in order."""

    seq: int
    id: str
    state: str
    received_ms: int
    alias: str
    dialect: str
    stream: int
    principal: str
    project: str
    user: str
    session: str
    client: str
    upstream: str = ""
    model: str = ""
    cache: str = ""
    outcome: str = ""
    status: int = 0
    attempts: int = 0
    prompt_tokens: int = 0
    completion_tokens: int = 0
    cached_tokens: int = 0
    cache_write_tokens: int = 0
    reasoning_tokens: int = 0
    cost_nano_usd: int = 0
    unknown_nano_usd: int = 0
    baseline_nano_usd: int | None = None
    total_us: int = 0
    first_piece_us: int | None = None
    overhead_us: int = 0
    load_us: int | None = None
    prefill_us: int | None = None
    decode_us: int | None = None
    task: str = ""
    switched_from: str = ""
    prompt_cache_nano_usd: int = 0


class AttemptRow(msgspec.Struct, frozen=True, gc=False):
    """An attempt as its table has it; the members are its columns, in order.

    ``price`` is the version of its price (rows of schema 1 have the price itself, as JSON); ``details`` the rarer
    kinds of tokens that it used, as JSON.
    """

    request_seq: int
    ordinal: int
    upstream: str
    model: str
    free: int
    state: str
    started_ms: int
    ended_ms: int | None
    total_us: int
    held_nano_usd: int
    cost_nano_usd: int
    price: str
    prompt_tokens: int | None = None
    completion_tokens: int | None = None
    cached_tokens: int | None = None
    cache_write_tokens: int | None = None
    reasoning_tokens: int | None = None
    billed_nano_usd: int | None = None
    reason: str = ""
    details: str = ""
    held_tokens: int = 0


def _columns(row: type[msgspec.Struct]) -> str:
    return ", ".join(row.__struct_fields__)


def _insert(table: str, row: type[msgspec.Struct]) -> str:
    places = ", ".join("?" * len(row.__struct_fields__))
    return f"INSERT INTO {table} ({_columns(row)}) VALUES ({places})"  # noqa: S608  names of ours


REQUEST_COLUMNS = _columns(RequestRow)
ATTEMPT_COLUMNS = _columns(AttemptRow)
_OPENED_ONCE = RequestRow.__struct_fields__[:4]  # seq, id, state and received_ms: what closing doesn't set anew
_CLOSED = ", ".join(f"{name} = excluded.{name}" for name in RequestRow.__struct_fields__ if name not in _OPENED_ONCE)
_INSERT_REQUEST = f"{_insert('request', RequestRow)} ON CONFLICT (seq) DO NOTHING"
_CLOSE_REQUEST = f"{_insert('request', RequestRow)} ON CONFLICT (seq) DO UPDATE SET state = excluded.state, {_CLOSED}"
_INSERT_ATTEMPT = _insert("attempt", AttemptRow)
_INSERT_POSTING = "INSERT INTO posting VALUES (?, ?, ?, ?, ?, ?, ?, ?)"
_INSERT_PRICE = "INSERT INTO price_version VALUES (?, ?) ON CONFLICT (version) DO NOTHING"
_INSERT_TRACE = "INSERT INTO trace VALUES (?, ?) ON CONFLICT (request_seq) DO UPDATE SET body = excluded.body"
_END_ATTEMPT = """
UPDATE attempt SET state = ?, ended_ms = ?, total_us = ?, cost_nano_usd = ?, prompt_tokens = ?, completion_tokens = ?,
    cached_tokens = ?, cache_write_tokens = ?, reasoning_tokens = ?, billed_nano_usd = ?, reason = ?, details = ?
WHERE request_seq = ? AND ordinal = ? AND state = 'held'
"""
_FIND_ATTEMPT = "SELECT state FROM attempt WHERE request_seq = ? AND ordinal = ?"
SUM_UP = """
UPDATE request SET (attempts, prompt_tokens, completion_tokens, cached_tokens, cache_write_tokens, reasoning_tokens,
    cost_nano_usd, unknown_nano_usd) = (
    SELECT count(*), coalesce(sum(prompt_tokens), 0), coalesce(sum(completion_tokens), 0),
        coalesce(sum(cached_tokens), 0), coalesce(sum(cache_write_tokens), 0), coalesce(sum(reasoning_tokens), 0),
        coalesce(sum(cost_nano_usd), 0),
        coalesce(sum(CASE state WHEN 'unknown' THEN cost_nano_usd ELSE 0 END), 0)
    FROM attempt WHERE request_seq = request.seq)
"""
_SUM_UP_ONE = f"{SUM_UP} WHERE seq = ?"
_SUM_UP_CLOSED = f"{SUM_UP} WHERE seq = ? AND state <> 'open'"


def write_hold(tx: Tx, request: RequestRow, attempt: AttemptRow, price: str, *, late: bool = True) -> None:
    """A paid attempt begins: its request is known, its worst case is held.

    ``price`` is its price, as JSON; empty where its version is in the tables already. ``late``: its request may have
    ended (a shared flight asks again after the one that began it has left); then its sums follow.
    """
    if price:
        tx.execute(_INSERT_PRICE, (attempt.price, price))
    tx.execute(_INSERT_REQUEST, msgspec.structs.astuple(request))
    with _summed(tx, attempt.request_seq) if late else nullcontext():
        tx.execute(_INSERT_ATTEMPT, msgspec.structs.astuple(attempt))
        _move(tx, attempt, 0, (Move("hold", "funds", "held", attempt.held_nano_usd),))


def write_end(tx: Tx, request: RequestRow, attempt: AttemptRow, *, late: bool = True) -> None:
    """A paid attempt ends. ``attempt`` is its last state; ``late`` as of a hold.

    Raises ``HouseFault(INTERNAL)`` where it has ended before. One whose hold was never written (the file failed, or
    the caller left first) is written as it is, with nothing held.
    """
    with _summed(tx, attempt.request_seq) if late else nullcontext():
        _write_end(tx, request, attempt)


@contextmanager
def _summed(tx: Tx, seq: int) -> Iterator[None]:
    """A change of a request's attempts, which its sums follow where it has ended."""
    with amended(tx, seq):
        yield
        tx.execute(_SUM_UP_CLOSED, (seq,))


def _write_end(tx: Tx, request: RequestRow, attempt: AttemptRow) -> None:
    tx.execute(_END_ATTEMPT, (*_end_values(attempt), attempt.request_seq, attempt.ordinal))
    if tx.changes() == 1:
        _write_end_postings(tx, attempt)
    elif tx.execute(_FIND_ATTEMPT, (attempt.request_seq, attempt.ordinal)):
        raise HouseFault(Code.INTERNAL, f"attempt {attempt.ordinal} of {request.id} has ended already")
    else:
        tx.execute(_INSERT_REQUEST, msgspec.structs.astuple(request))
        write_unheld(tx, msgspec.structs.replace(attempt, held_nano_usd=0))


def write_unheld(tx: Tx, attempt: AttemptRow) -> None:
    """An attempt for which nothing was held: a free one. Should it have cost something after all, that is spent."""
    tx.execute(_INSERT_ATTEMPT, msgspec.structs.astuple(attempt))
    _write_end_postings(tx, attempt)


class WriteClosing(msgspec.Struct, frozen=True, gc=False):
    """The work that ends a request (``domain.ports.Joint``). ``attempts`` are those not written yet (free ones)."""

    request: RequestRow
    attempts: tuple[AttemptRow, ...]
    trace: str

    def __call__(self, tx: Tx) -> None:
        self.together(tx, (self,))

    def together(self, tx: Tx, works: "Sequence[WriteClosing]") -> None:
        """End the requests of ``works``: all their rows first, then what refers to them."""
        tx.execute_many(_CLOSE_REQUEST, [msgspec.structs.astuple(work.request) for work in works])
        attempts = [attempt for work in works for attempt in work.attempts]
        if attempts:
            tx.execute_many(_INSERT_ATTEMPT, map(msgspec.structs.astuple, attempts))
            for attempt in attempts:
                _write_end_postings(tx, attempt)
        for work in works:
            if work.request.attempts > len(work.attempts):
                tx.execute(_SUM_UP_ONE, (work.request.seq,))
        traces = [(work.request.seq, work.trace) for work in works if work.trace]
        if traces:
            tx.execute_many(_INSERT_TRACE, traces)


def _write_end_postings(tx: Tx, attempt: AttemptRow) -> None:
    """Move what was held to where it belongs; what a capture cost beyond its hold is an adjusting posting."""
    held, cost = attempt.held_nano_usd, attempt.cost_nano_usd
    if not held and not cost:
        return
    kept = min(held, cost)
    book = "unknown" if attempt.state == "unknown" else "spent"
    event = {"captured": "capture", "released": "release", "unknown": "unknown"}[attempt.state]
    moves = (
        Move(event, "held", book, kept),
        Move("release", "held", "funds", held - kept),
        Move("adjust", "funds", book, cost - kept),
    )
    _move(tx, attempt, 1, moves)


def _move(tx: Tx, attempt: AttemptRow, first_step: int, moves: Sequence[Move]) -> None:
    at_ms = attempt.ended_ms or attempt.started_ms
    for step, move in enumerate(moves, first_step):
        if move.nano_usd:
            tx.execute(_INSERT_POSTING, (attempt.request_seq, attempt.ordinal, step, at_ms, *move))


def _end_values(attempt: AttemptRow) -> Row:
    return (
        attempt.state,
        attempt.ended_ms,
        attempt.total_us,
        attempt.cost_nano_usd,
        attempt.prompt_tokens,
        attempt.completion_tokens,
        attempt.cached_tokens,
        attempt.cache_write_tokens,
        attempt.reasoning_tokens,
        attempt.billed_nano_usd,
        attempt.reason,
        attempt.details,
    )


def figures_of(row: RequestRow, *, free: bool) -> Closed:
    """A closed row's figures, for whoever listens."""
    return Closed(
        received_ms=row.received_ms,
        session=row.session,
        project=row.project,
        free=free,
        cost_nano_usd=row.cost_nano_usd,
        unknown_nano_usd=row.unknown_nano_usd,
        baseline_nano_usd=row.baseline_nano_usd,
        prompt_cache_nano_usd=row.prompt_cache_nano_usd,
        switched_from=row.switched_from,
    )
