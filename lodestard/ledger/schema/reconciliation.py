"""What providers say that they have billed, beside what we know of.

``reconciliation`` has a row for each look at a day of an upstream; ``adjustment`` moves the difference between the
books ``funds`` and ``unreconciled``, and is never changed. Both stand beside requests: nobody knows which one it was.
"""

from lodestard.ledger.schema.requests import money_column

RECONCILIATION = f"""
CREATE TABLE reconciliation (
    id INTEGER PRIMARY KEY,
    at_ms INTEGER NOT NULL,
    upstream TEXT NOT NULL,
    day TEXT NOT NULL,
    {money_column("ours_nano_usd")},
    {money_column("theirs_nano_usd")},
    alarmed INTEGER NOT NULL CHECK (alarmed IN (0, 1)),
    detail TEXT NOT NULL
) STRICT;
CREATE INDEX reconciliation_day ON reconciliation (upstream, day, id);
CREATE TABLE adjustment (
    reconciliation_id INTEGER PRIMARY KEY REFERENCES reconciliation,
    at_ms INTEGER NOT NULL,
    from_book TEXT NOT NULL CHECK (from_book IN ('funds', 'unreconciled')),
    to_book TEXT NOT NULL CHECK (to_book IN ('funds', 'unreconciled')),
    {money_column("amount_nano_usd")},
    CHECK (from_book <> to_book AND amount_nano_usd > 0)
) STRICT;
CREATE TRIGGER adjustment_stays BEFORE UPDATE ON adjustment
    BEGIN SELECT RAISE(ABORT, 'an adjustment never changes'); END;
"""
