"""``lodestard`` with a defect: a hold is not durable when the upstream is dialled, it is written some time later.

Run as ``python late_hold.py COMMAND…``, where the command is the one that starts ``lodestard``.
"""

import sys
from functools import partial

import trio

from lodestard.__main__ import main
from lodestard.budget.rules import Amounts
from lodestard.domain.ports import EntryPort
from lodestard.domain.upstream import Candidate
from lodestard.ledger.entry import Attempt
from lodestard.ledger.ledger import Ledger, _entry, price_text
from lodestard.ledger.rows import write_hold


async def hold_later(
    self: Ledger, entry: EntryPort, candidate: Candidate, worst_nano_usd: int, worst_tokens: int = 0
) -> Attempt:
    await trio.lowlevel.checkpoint()
    attempt = self._begin(_entry(entry), candidate, Amounts(worst_nano_usd, worst_tokens, 1))
    if not attempt.free:
        self._store.post(
            partial(
                write_hold, request=attempt.entry.opened_row(), attempt=attempt.row(), price=price_text(attempt.price)
            )
        )
    return attempt


if __name__ == "__main__":
    Ledger.hold = hold_later  # type: ignore[method-assign]
    sys.argv = ["lodestard", *sys.argv[sys.argv.index("lodestard") + 1 :]]
    sys.exit(main())
