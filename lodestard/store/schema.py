"""Schema versions, one per owner of tables.

Law: a script runs once, in the transaction that records it; scripts are only ever added. Tables of an owner that is
not named stay as they are, so a room or a module can come and go with its data kept.
"""

from collections.abc import Iterable

from lodestard.domain.errors import Code
from lodestard.domain.ports import Migrations, Tx
from lodestard.store.faults import UnusableFault

_TABLE = "CREATE TABLE IF NOT EXISTS schema_version (owner TEXT PRIMARY KEY, version INTEGER NOT NULL) STRICT"
_SET = "INSERT INTO schema_version VALUES (?, ?) ON CONFLICT (owner) DO UPDATE SET version = excluded.version"
PROBE = "UPDATE schema_version SET version = version"


def migrate(tx: Tx, owners: Iterable[Migrations]) -> None:
    """Bring each owner's tables up to date. Writes something in any case, so that there is a WAL to be expected.

    Raises ``HouseFault(STORE_UNAVAILABLE)`` where the file was written by a newer version than this one.
    """
    tx.execute(_TABLE)
    for migrations in owners:
        _migrate_owner(tx, migrations)
    tx.execute(PROBE)


def _migrate_owner(tx: Tx, migrations: Migrations) -> None:
    owner, scripts = migrations.owner, migrations.scripts
    rows = tx.execute("SELECT version FROM schema_version WHERE owner = ?", (owner,))
    version = int(rows[0][0] or 0) if rows else 0
    if version > len(scripts):
        raise UnusableFault(
            Code.STORE_UNAVAILABLE,
            f"the database was written by a newer lodestard (its {owner} tables have version {version}, this one"
            f" knows {len(scripts)}): install that version again, or restore a backup from before the upgrade",
        )
    for number, script in enumerate(scripts[version:], version + 1):
        tx.execute(script)
        tx.execute(_SET, (owner, number))
