"""After a crash: what was held when the house went down.

Law: nobody knows what became of those attempts, so each is charged at its hold, as unknown. Never released: bytes
may have been sent.
"""

import logging
from contextlib import ExitStack

import msgspec

from lodestard.domain.money import format_usd
from lodestard.domain.ports import Tx
from lodestard.ledger.rows import SUM_UP
from lodestard.ledger.sums import amended

_log = logging.getLogger(__name__)
_REASON = "lodestard stopped while this was under way"

_FOUND = "SELECT count(*), coalesce(sum(held_nano_usd), 0) FROM attempt WHERE state = 'held'"
_POSTINGS = """
INSERT INTO posting SELECT request_seq, ordinal, 1, ?, 'unknown', 'held', 'unknown', held_nano_usd
FROM attempt WHERE state = 'held' AND held_nano_usd > 0
"""
_REQUESTS = "SELECT DISTINCT request_seq FROM attempt WHERE state = 'held'"
_ATTEMPTS = """
UPDATE attempt SET state = 'unknown', ended_ms = ?, cost_nano_usd = held_nano_usd, reason = ? WHERE state = 'held'
"""
_COUNTED = """
SELECT seq FROM request WHERE seq <= (SELECT seq FROM rollup_mark)
AND (state = 'open' OR seq IN (SELECT request_seq FROM attempt WHERE state = 'held'))
"""  # whose end was never written though it was known
_CRASHED = "UPDATE request SET state = 'crashed', outcome = 'crashed' WHERE state = 'open'"


class Recovered(msgspec.Struct, frozen=True):
    """How many attempts were found held, what they are charged, how many requests never ended."""

    attempts: int
    nano_usd: int
    requests: int


def recover(tx: Tx, now_ms: int) -> Recovered:
    """Give every attempt that was found held its end, and every request that was found open."""
    with ExitStack() as changes:
        for (seq,) in tx.execute(_COUNTED):
            changes.enter_context(amended(tx, int(seq or 0)))
        return _recover(tx, now_ms)


def _recover(tx: Tx, now_ms: int) -> Recovered:
    attempts, nano_usd = tx.execute(_FOUND)[0]
    touched = tx.execute(_REQUESTS)
    tx.execute(_POSTINGS, (now_ms,))
    tx.execute(_ATTEMPTS, (now_ms, _REASON))
    for row in touched:
        tx.execute(f"{SUM_UP} WHERE seq = ?", row)
    tx.execute(_CRASHED)
    return Recovered(int(attempts or 0), int(nano_usd or 0), tx.changes())


def log_recovered(found: Recovered) -> None:
    """Say what was found, if anything."""
    if found.attempts or found.requests:
        _log.warning(
            "ledger: found %d requests that never ended and %d attempts still held; charged as unknown: $%s",
            found.requests,
            found.attempts,
            format_usd(found.nano_usd),
        )
