"""The cache's table, and what is done with it inside a transaction.

Law: functions here touch only their arguments, because they may run on another thread and more than once. ``tally``
is kept by triggers, so the size is known without reading the table. Holds answers and hashes, never prompts.
"""

from collections.abc import Iterable, Mapping, Sequence

import msgspec

from lodestard.cache.entry import OVERHEAD_BYTES, Entry, freeze
from lodestard.domain.ports import Row, Tx, Value
from lodestard.domain.upstream import Target

_TABLES = """
CREATE TABLE answer (
    key BLOB PRIMARY KEY,
    upstream TEXT NOT NULL,
    model TEXT NOT NULL,
    created_ms INTEGER NOT NULL,
    used_ms INTEGER NOT NULL,
    cost_nano_usd INTEGER NOT NULL,
    bytes INTEGER NOT NULL,
    frozen BLOB NOT NULL
) STRICT;
CREATE INDEX answer_by_use ON answer (used_ms);
CREATE INDEX answer_by_age ON answer (created_ms);
CREATE TABLE tally (
    one INTEGER PRIMARY KEY CHECK (one = 1),
    entries INTEGER NOT NULL,
    bytes INTEGER NOT NULL
) STRICT;
INSERT INTO tally VALUES (1, 0, 0);
CREATE TRIGGER answer_added AFTER INSERT ON answer BEGIN
    UPDATE tally SET entries = entries + 1, bytes = bytes + new.bytes;
END;
CREATE TRIGGER answer_gone AFTER DELETE ON answer BEGIN
    UPDATE tally SET entries = entries - 1, bytes = bytes - old.bytes;
END;
"""

SELECT_ONE = "SELECT upstream, model, created_ms, cost_nano_usd, frozen FROM answer WHERE key = ?"
SELECT_RECENT = "SELECT key FROM answer ORDER BY used_ms DESC LIMIT ?"
SELECT_TALLY = "SELECT entries, bytes FROM tally"
SELECT_MODELS = "SELECT upstream, model, count(*), sum(bytes) FROM answer GROUP BY upstream, model ORDER BY 4 DESC"
SELECT_PAGE = (
    "SELECT key, upstream, model, created_ms, cost_nano_usd, frozen FROM answer WHERE key > ? ORDER BY key LIMIT ?"
)

_INSERT = "INSERT INTO answer VALUES (?, ?, ?, ?, ?, ?, ?, ?)"
_EXPIRED = "DELETE FROM answer WHERE key IN (SELECT key FROM answer WHERE created_ms <= ? LIMIT 1000)"
_OLDEST = "SELECT key, bytes FROM answer ORDER BY used_ms LIMIT 100"


class CacheTables(msgspec.Struct, frozen=True):
    """Implements ``domain.ports.Migrations``."""

    owner: str = "cache"
    scripts: Sequence[str] = (_TABLES,)


class Bounds(msgspec.Struct, frozen=True, kw_only=True):
    """What the table must keep to, now."""

    now_ms: int
    oldest_ms: int
    max_bytes: int
    compress_above_bytes: int


class Batch(msgspec.Struct, frozen=True, kw_only=True):
    """What is to be written at once: answers, when others were last used, and keys that are to go."""

    entries: Sequence[Entry]
    used_ms: Mapping[str, int]
    dead: Iterable[str]
    bounds: Bounds


class Tally(msgspec.Struct, frozen=True):
    """``evicted`` counts the entries that had to leave for want of room."""

    entries: int
    bytes: int
    evicted: int = 0


def write_batch(tx: Tx, batch: Batch) -> Tally:
    """Write all of it; then what is too old goes, and then, while there is too much, what was used longest ago."""
    for key in batch.dead:
        _delete(tx, key)
    for entry in batch.entries:
        _insert(tx, entry, batch.bounds)
    for key, used_ms in batch.used_ms.items():
        tx.execute("UPDATE answer SET used_ms = max(used_ms, ?) WHERE key = ?", (used_ms, bytes.fromhex(key)))
    tx.execute(_EXPIRED, (batch.bounds.oldest_ms,))
    return _evict(tx, batch.bounds.max_bytes)


def clear(tx: Tx, model: str | None, created_before_ms: int | None) -> int:
    """Delete what matches; how many they were. ``model`` is ``upstream/model`` or the model alone."""
    conditions, params = ["1"], list[Value]()
    if model is not None:
        conditions.append("? IN (model, upstream || '/' || model)")
        params.append(model)
    if created_before_ms is not None:
        conditions.append("created_ms < ?")
        params.append(created_before_ms)
    tx.execute(f"DELETE FROM answer WHERE {' AND '.join(conditions)}", params)  # noqa: S608  words of ours only
    return tx.changes()


def entry_target(row: Row) -> Target:
    """The target in a row that begins with upstream and model."""
    return Target(str(row[0]), str(row[1]))


def _insert(tx: Tx, entry: Entry, bounds: Bounds) -> None:
    _delete(tx, entry.key)  # REPLACE would not fire the trigger
    frozen = freeze(entry.packed, bounds.compress_above_bytes)
    target = entry.target
    about = (target.upstream, target.model, entry.created_ms, bounds.now_ms, entry.cost_nano_usd)
    tx.execute(_INSERT, (bytes.fromhex(entry.key), *about, len(frozen) + OVERHEAD_BYTES, frozen))


def _delete(tx: Tx, key: str) -> None:
    tx.execute("DELETE FROM answer WHERE key = ?", (bytes.fromhex(key),))


def read_tally(rows: Sequence[Row], evicted: int = 0) -> Tally:
    """The rows of ``SELECT_TALLY``."""
    (entries, size_bytes) = rows[0]
    return Tally(int(entries or 0), int(size_bytes or 0), evicted)


def _evict(tx: Tx, max_bytes: int) -> Tally:
    evicted = 0
    while (tally := read_tally(tx.execute(SELECT_TALLY), evicted)).bytes > max_bytes and tally.entries:
        surplus = tally.bytes - max_bytes
        for key, size_bytes in tx.execute(_OLDEST):
            tx.execute("DELETE FROM answer WHERE key = ?", (key,))
            evicted += 1
            surplus -= int(size_bytes or 0)
            if surplus <= 0:
                break
    return tally
