"""A ledger of the release before feedback opens, keeps what it had, and is whole; so is its copy."""

from collections.abc import Sequence
from pathlib import Path
from sqlite3 import connect

from lodestard.domain.feedback import WENT_ON
from lodestard.ledger import SCHEMA, verify
from lodestard.store import StoreOptions, open_snapshot, open_store, run_inline
from tests.rooms.ledger.test_feedback import LLAMA, counts, opened
from tests.rooms.ledger.test_sessions import FakeClock


class Before:
    """The tables before version 3."""

    owner = "ledger"
    scripts = SCHEMA.scripts[:2]


def tables(path: Path) -> Sequence[tuple[str, str]]:
    with open_snapshot(path) as snapshot:
        return [
            (str(name), str(sql)) for name, sql in snapshot.read("SELECT name, sql FROM sqlite_master ORDER BY 1")
        ]


async def test_a_ledger_from_before_feedback_is_taken_over(tmp_path: Path, autojump_clock: object) -> None:
    old, new, copy = (tmp_path / name for name in ("old.db", "new.db", "copy.db"))
    clock, options = FakeClock(), StoreOptions(durable=True)
    async with open_store(old, (Before(),), options=options, clock=clock, run=run_inline) as store:
        assert store.read("SELECT name FROM sqlite_master WHERE name LIKE 'feedback%'") == []
    async with opened(new, clock) as house:
        asked = [house.ask(mark=mark) for mark in (7, 8)]
    rows = connect(new)  # what was written since is as it was before
    rows.execute("ATTACH ? AS old", (str(old),))
    for table in ("session", "request", "attempt", "posting", "trace"):
        rows.execute(f"INSERT INTO old.{table} SELECT * FROM main.{table}")
    rows.commit()
    rows.close()
    async with opened(old, clock) as house:
        assert counts(house, LLAMA, "edit") == (WENT_ON, 0.0)  # gone through at the start
        house.judge(asked[0], "bad")
        assert await house.rows() == [("said", "bad", "edit")]
        await house.store.backup(copy)
    assert tables(old) == tables(copy) == tables(new)
    for path in (old, copy):
        with open_snapshot(path) as snapshot:
            report = verify(snapshot)
            assert (report.problems, report.requests) == ([], 2)
            assert snapshot.read("SELECT request_id, verdict FROM feedback") == [(asked[0], "bad")]
