"""The database files: the only room that knows SQLite.

Law: one task writes each file, in groups that become durable together; every other room asks through the ``Store``
port and never sees a connection. Owner of the files, their lock, their schema versions and their copies.
"""

from lodestard.store.executor import Run, run_in_thread, run_inline
from lodestard.store.filestore import FileStore, StoreOptions, open_store
from lodestard.store.keepsake import FileKeepsake
from lodestard.store.snapshot import Snapshot, open_snapshot
from lodestard.store.writer import Health

__all__ = [
    "FileKeepsake",
    "FileStore",
    "Health",
    "Run",
    "Snapshot",
    "StoreOptions",
    "open_snapshot",
    "open_store",
    "run_in_thread",
    "run_inline",
]
