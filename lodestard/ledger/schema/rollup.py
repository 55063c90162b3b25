"""Sums of requests, so that reports are quick and single requests need not be kept for ever.

Law: ``rollup`` holds the sums of exactly the requests up to ``rollup_mark.seq``, each counted once under every
dimension; none of them ever changes again without its sums. ``remainder`` holds, by every group at once, the sums of
those that were deleted, with what budgets counted of them (``CHARGED``), and ``carried`` what their postings had
moved. So the rows that are left and ``remainder`` always make ``rollup``, and the books always sum to zero.
"""

FIGURES = (
    "requests",
    "errors",
    "cache_hits",
    "free_requests",
    "prompt_tokens",
    "completion_tokens",
    "cached_tokens",
    "cache_write_tokens",
    "reasoning_tokens",
    "cache_tokens",
    "cost_nano_usd",
    "unknown_nano_usd",
    "baseline_nano_usd",
    "saved_nano_usd",
    "saved_local_nano_usd",
    "saved_cache_nano_usd",
    "saved_prompt_cache_nano_usd",
    "total_us",
)
GROUPS = (
    "quarter",
    "upstream",
    "model",
    "alias",
    "dialect",
    "principal",
    "project",
    "user",
    "session",
    "client",
    "task",
    "outcome",
    "cache",
)
CHARGED = ("paid_attempts", "paid_tokens", "free_attempts", "free_tokens")
QUARTERS_A_DAY = 96
_SUMS = ",\n    ".join(f"{name} INTEGER NOT NULL" for name in FIGURES)
_CHARGED = ",\n    ".join(f"{name} INTEGER NOT NULL" for name in CHARGED)
_TEXTS = ",\n    ".join(f"{name} TEXT NOT NULL" for name in GROUPS[1:])

ROLLUP = f"""
ALTER TABLE request ADD COLUMN task TEXT NOT NULL DEFAULT '';
ALTER TABLE request ADD COLUMN switched_from TEXT NOT NULL DEFAULT '';
ALTER TABLE request ADD COLUMN prompt_cache_nano_usd INTEGER NOT NULL DEFAULT 0;
CREATE INDEX request_session ON request (session, seq) WHERE session <> '';
CREATE TABLE rollup (
    dimension TEXT NOT NULL,
    span INTEGER NOT NULL CHECK (span IN (1, {QUARTERS_A_DAY})),
    start INTEGER NOT NULL CHECK (start % span = 0),
    key TEXT NOT NULL,
    {_SUMS},
    PRIMARY KEY (dimension, span, start, key)
) STRICT, WITHOUT ROWID;
CREATE TABLE remainder (
    quarter INTEGER NOT NULL,
    {_TEXTS},
    {_SUMS},
    {_CHARGED},
    PRIMARY KEY ({", ".join(GROUPS)})
) STRICT, WITHOUT ROWID;
CREATE TABLE carried (
    book TEXT PRIMARY KEY CHECK (book IN ('funds', 'held', 'spent', 'unknown', 'unreconciled')),
    amount_nano_usd INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE TABLE rollup_mark (
    one INTEGER PRIMARY KEY CHECK (one = 1),
    seq INTEGER NOT NULL,
    deleted_before_ms INTEGER NOT NULL,
    at_ms INTEGER NOT NULL
) STRICT;
INSERT INTO rollup_mark VALUES (1, 0, 0, 0);
CREATE TABLE export_salt (
    one INTEGER PRIMARY KEY CHECK (one = 1),
    salt BLOB NOT NULL
) STRICT;
INSERT INTO export_salt VALUES (1, randomblob(32));
"""  # noqa: S608  names of ours
