"""Requests, attempts and postings: version 1 of the ledger's tables.

Law: money is an integer of nano-USD in a STRICT table; an attempt's end and a posting, once written, never change:
triggers see to it. A posting moves an amount from one book to another, so that the books always sum to zero:
``funds`` → ``held`` (a hold), ``held`` → ``spent`` or ``funds`` (captured, released), ``held`` → ``unknown``.
"""

from lodestard.domain.money import MAX_NANO_USD

_AMOUNT = f"INTEGER NOT NULL CHECK (typeof({{0}}) = 'integer' AND {{0}} BETWEEN 0 AND {MAX_NANO_USD})"


def money_column(name: str) -> str:
    """A column of nano-USD: an integer >= 0, and nothing else."""
    return f"{name} {_AMOUNT.format(name)}"


REQUESTS = f"""
CREATE TABLE request (
    seq INTEGER PRIMARY KEY,
    id TEXT NOT NULL UNIQUE,
    state TEXT NOT NULL CHECK (state IN ('open', 'closed', 'crashed')),
    received_ms INTEGER NOT NULL,
    alias TEXT NOT NULL,
    dialect TEXT NOT NULL,
    stream INTEGER NOT NULL CHECK (stream IN (0, 1)),
    principal TEXT NOT NULL,
    project TEXT NOT NULL,
    user TEXT NOT NULL,
    session TEXT NOT NULL,
    client TEXT NOT NULL,
    upstream TEXT NOT NULL,
    model TEXT NOT NULL,
    cache TEXT NOT NULL,
    outcome TEXT NOT NULL,
    status INTEGER NOT NULL,
    attempts INTEGER NOT NULL,
    prompt_tokens INTEGER NOT NULL,
    completion_tokens INTEGER NOT NULL,
    cached_tokens INTEGER NOT NULL,
    cache_write_tokens INTEGER NOT NULL,
    reasoning_tokens INTEGER NOT NULL,
    {money_column("cost_nano_usd")},
    {money_column("unknown_nano_usd")},
    baseline_nano_usd INTEGER CHECK (typeof(baseline_nano_usd) IN ('integer', 'null')),
    total_us INTEGER NOT NULL,
    first_piece_us INTEGER,
    overhead_us INTEGER NOT NULL,
    load_us INTEGER,
    prefill_us INTEGER,
    decode_us INTEGER
) STRICT;
CREATE INDEX request_received ON request (received_ms);
CREATE INDEX request_open ON request (seq) WHERE state = 'open';

CREATE TABLE trace (
    request_seq INTEGER PRIMARY KEY REFERENCES request ON DELETE CASCADE,
    body TEXT NOT NULL
) STRICT;

CREATE TABLE attempt (
    request_seq INTEGER NOT NULL REFERENCES request ON DELETE CASCADE,
    ordinal INTEGER NOT NULL,
    upstream TEXT NOT NULL,
    model TEXT NOT NULL,
    free INTEGER NOT NULL CHECK (free IN (0, 1)),
    state TEXT NOT NULL CHECK (state IN ('held', 'captured', 'released', 'unknown')),
    started_ms INTEGER NOT NULL,
    ended_ms INTEGER,
    total_us INTEGER NOT NULL,
    {money_column("held_nano_usd")},
    {money_column("cost_nano_usd")},
    price TEXT NOT NULL,
    prompt_tokens INTEGER,
    completion_tokens INTEGER,
    cached_tokens INTEGER,
    cache_write_tokens INTEGER,
    reasoning_tokens INTEGER,
    billed_nano_usd INTEGER CHECK (typeof(billed_nano_usd) IN ('integer', 'null')),
    reason TEXT NOT NULL,
    PRIMARY KEY (request_seq, ordinal)
) STRICT, WITHOUT ROWID;
CREATE INDEX attempt_held ON attempt (request_seq) WHERE state = 'held';
CREATE TRIGGER attempt_ends_once BEFORE UPDATE OF state ON attempt WHEN OLD.state <> 'held'
    BEGIN SELECT RAISE(ABORT, 'an attempt that has ended never changes'); END;

CREATE TABLE posting (
    request_seq INTEGER NOT NULL,
    ordinal INTEGER NOT NULL,
    step INTEGER NOT NULL,
    at_ms INTEGER NOT NULL,
    event TEXT NOT NULL,
    from_book TEXT NOT NULL CHECK (from_book IN ('funds', 'held', 'spent', 'unknown', 'unreconciled')),
    to_book TEXT NOT NULL CHECK (to_book IN ('funds', 'held', 'spent', 'unknown', 'unreconciled')),
    {money_column("amount_nano_usd")},
    PRIMARY KEY (request_seq, ordinal, step),
    FOREIGN KEY (request_seq, ordinal) REFERENCES attempt ON DELETE CASCADE,
    CHECK (from_book <> to_book AND amount_nano_usd > 0)
) STRICT, WITHOUT ROWID;
CREATE TRIGGER posting_stays BEFORE UPDATE ON posting
    BEGIN SELECT RAISE(ABORT, 'a posting never changes'); END;
"""
