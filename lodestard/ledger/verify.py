"""Is the ledger right? Asked of the file itself, with the daemon or without it.

Law: changes nothing, believes nothing that it can add up itself. What it checks: every posting moves an amount
between two books and every attempt's postings say what the attempt says; every attempt has exactly one state and one
end; every request's figures are the sums of its attempts; the sums are those of the requests; money is integers; the
file is sound.
"""

from collections.abc import Callable, Sequence

import msgspec

from lodestard.domain.errors import HouseFault
from lodestard.ledger.reconciliation import check_reconciliation
from lodestard.ledger.verify_sums import SHOWN, Readable, check_mark, check_sums


class VerifyReport(msgspec.Struct, frozen=True, kw_only=True):
    """What was found. ``books`` is each book's balance; they sum to zero. ``held`` is fine while requests run."""

    ok: bool
    problems: Sequence[str]
    requests: int = 0
    attempts: int = 0
    postings: int = 0
    open_requests: int = 0
    held: int = 0
    books: dict[str, int] = {}


_ATTEMPTS = """
WITH moved AS (
    SELECT request_seq, ordinal,
        sum(iif(event = 'hold', amount_nano_usd, 0)) AS hold,
        sum(iif(to_book = 'funds', amount_nano_usd, 0) - iif(from_book = 'funds', amount_nano_usd, 0)) AS funds,
        sum(iif(to_book = 'held', amount_nano_usd, 0) - iif(from_book = 'held', amount_nano_usd, 0)) AS held,
        sum(iif(to_book = 'spent', amount_nano_usd, 0) - iif(from_book = 'spent', amount_nano_usd, 0)) AS spent,
        sum(iif(to_book = 'unknown', amount_nano_usd, 0) - iif(from_book = 'unknown', amount_nano_usd, 0)) AS unknown,
        max(step) AS last
    FROM posting GROUP BY request_seq, ordinal
)
SELECT request_seq, ordinal, state FROM attempt LEFT JOIN moved USING (request_seq, ordinal) WHERE NOT (
    coalesce(hold, 0) = held_nano_usd
    AND coalesce(funds + held + spent + unknown, 0) = 0
    AND CASE state
        WHEN 'held' THEN ended_ms IS NULL AND cost_nano_usd = 0 AND coalesce(last, 0) = 0
            AND coalesce(held, 0) = held_nano_usd
        WHEN 'captured' THEN ended_ms IS NOT NULL AND coalesce(held, 0) = 0 AND coalesce(unknown, 0) = 0
            AND coalesce(spent, 0) = cost_nano_usd
        WHEN 'released' THEN ended_ms IS NOT NULL AND coalesce(held, 0) = 0 AND coalesce(unknown, 0) = 0
            AND coalesce(spent, 0) = 0 AND cost_nano_usd = 0
        WHEN 'unknown' THEN ended_ms IS NOT NULL AND coalesce(held, 0) = 0 AND coalesce(spent, 0) = 0
            AND coalesce(unknown, 0) = cost_nano_usd AND cost_nano_usd = held_nano_usd
        ELSE 0 END
) LIMIT ?
"""
_REQUESTS = """
WITH summed AS (
    SELECT request_seq, count(*) AS attempts, sum(cost_nano_usd) AS cost,
        sum(iif(state = 'unknown', cost_nano_usd, 0)) AS unknown, sum(prompt_tokens) AS prompt,
        sum(completion_tokens) AS completion, sum(cached_tokens) AS cached, sum(reasoning_tokens) AS reasoning
    FROM attempt GROUP BY request_seq
)
SELECT request.id FROM request LEFT JOIN summed ON request_seq = seq WHERE NOT (
    request.attempts = coalesce(summed.attempts, 0)
    AND cost_nano_usd = coalesce(cost, 0)
    AND unknown_nano_usd = coalesce(unknown, 0)
    AND (summed.attempts IS NULL OR (
        prompt_tokens = coalesce(prompt, 0) AND completion_tokens = coalesce(completion, 0)
        AND cached_tokens = coalesce(cached, 0) AND reasoning_tokens = coalesce(reasoning, 0)))
) LIMIT ?
"""
_HITS = "SELECT id FROM request WHERE cache IN ('hit', 'shared') AND cost_nano_usd <> 0 LIMIT ?"
_FLOATS = """
SELECT 'attempt' FROM attempt WHERE typeof(held_nano_usd) <> 'integer' OR typeof(cost_nano_usd) <> 'integer'
UNION ALL SELECT 'posting' FROM posting WHERE typeof(amount_nano_usd) <> 'integer'
UNION ALL SELECT 'request' FROM request WHERE typeof(cost_nano_usd) <> 'integer'
LIMIT ?
"""
_BOOKS = """
SELECT book, sum(amount) FROM (
    SELECT to_book AS book, amount_nano_usd AS amount FROM posting
    UNION ALL SELECT from_book, -amount_nano_usd FROM posting
    UNION ALL SELECT to_book, amount_nano_usd FROM adjustment
    UNION ALL SELECT from_book, -amount_nano_usd FROM adjustment
    UNION ALL SELECT book, amount_nano_usd FROM carried
) GROUP BY book ORDER BY book
"""
_COUNTS = """
SELECT (SELECT count(*) FROM request), (SELECT count(*) FROM attempt), (SELECT count(*) FROM posting),
    (SELECT count(*) FROM request WHERE state = 'open'), (SELECT count(*) FROM attempt WHERE state = 'held')
"""


def verify(database: Readable, *, idle: bool = False) -> VerifyReport:
    """Check the whole ledger. ``idle``: nothing is under way, so nothing may be held or open.

    Never raises for a bad ledger: what can't be read is a problem in the report. About a second per 100,000 requests.
    """
    problems: list[str] = []
    for check in (_soundness, _attempts, _requests, _hits, _floats, check_mark, check_sums, check_reconciliation):
        _note(problems, check, database)
    try:
        counts = [int(value or 0) for value in database.read(_COUNTS)[0]]
        books = {str(book): int(amount or 0) for book, amount in database.read(_BOOKS)}
    except HouseFault as fault:
        return VerifyReport(ok=False, problems=[*problems, fault.message])
    if sum(books.values()):
        problems.append(f"the books sum to {sum(books.values())} nano-USD instead of zero")
    requests, attempts, postings, open_requests, held = counts
    if idle and (held or open_requests):
        problems.append(f"{held} attempts are held and {open_requests} requests open, though nothing is under way")
    return VerifyReport(
        ok=not problems,
        problems=problems,
        requests=requests,
        attempts=attempts,
        postings=postings,
        open_requests=open_requests,
        held=held,
        books=books,
    )


def _note(problems: list[str], check: Callable[[Readable], list[str]], database: Readable) -> None:
    try:
        problems.extend(check(database))
    except HouseFault as fault:
        problems.append(fault.message)


def _soundness(database: Readable) -> list[str]:
    found = [f"the file: {text!s}" for (text,) in database.read("PRAGMA integrity_check") if text != "ok"]
    orphans = database.read("PRAGMA foreign_key_check")[:SHOWN]
    return found + [f"{table!s}: a row without its {parent!s}" for table, _, parent, _ in orphans]


def _attempts(database: Readable) -> list[str]:
    return [
        f"attempt {ordinal!s} of request number {seq!s} ({state!s}): its postings say something else"
        for seq, ordinal, state in database.read(_ATTEMPTS, (SHOWN,))
    ]


def _requests(database: Readable) -> list[str]:
    return [
        f"{name!s}: its figures are not the sums of its attempts" for (name,) in database.read(_REQUESTS, (SHOWN,))
    ]


def _hits(database: Readable) -> list[str]:
    return [f"{name!s}: an answer from the cache has cost something" for (name,) in database.read(_HITS, (SHOWN,))]


def _floats(database: Readable) -> list[str]:
    return [f"{table!s}: an amount is not an integer" for (table,) in database.read(_FLOATS, (SHOWN,))]
