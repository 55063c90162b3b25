"""Sums of requests by quarter of an hour, and what reports need to know of each request beside.

Law: ``rollup`` holds the sums of exactly the requests up to ``rollup_mark.seq``, each counted once; none of them ever
changes again. So a report is these sums and the single requests above the mark, and stays the same when the single
requests below it are deleted.
"""

from lodestard.ledger.schema.requests import money_column

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
    "saved_cheaper_nano_usd",
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
_SUMS = ",\n    ".join(f"{name} INTEGER NOT NULL" for name in FIGURES)
_TEXTS = ",\n    ".join(f"{name} TEXT NOT NULL" for name in GROUPS[1:])

ROLLUP = f"""
ALTER TABLE request ADD COLUMN task TEXT NOT NULL DEFAULT '';
ALTER TABLE request ADD COLUMN switched_from TEXT NOT NULL DEFAULT '';
ALTER TABLE request ADD COLUMN {money_column("prompt_cache_nano_usd")} DEFAULT 0;
CREATE INDEX request_session ON request (session, seq) WHERE session <> '';
CREATE TABLE rollup (
    quarter INTEGER NOT NULL,
    {_TEXTS},
    {_SUMS},
    PRIMARY KEY ({", ".join(GROUPS)})
) STRICT, WITHOUT ROWID;
CREATE TABLE rollup_mark (
    one INTEGER PRIMARY KEY CHECK (one = 1),
    seq INTEGER NOT NULL,
    deleted_seq INTEGER NOT NULL,
    at_ms INTEGER NOT NULL
) STRICT;
INSERT INTO rollup_mark VALUES (1, 0, 0, 0);
"""  # noqa: S608  names of ours
