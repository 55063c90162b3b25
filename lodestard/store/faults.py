"""SQLite's errors in the house's words.

Law: no exception of apsw leaves the room. Errors are of two kinds: those of the *file* (full, locked, damaged,
unreadable), which concern everyone who writes, and those of one *statement* (a constraint, a mistake in the SQL),
which concern only the work that ran it.
"""

import errno
from pathlib import Path

import apsw

from lodestard.domain.errors import Code, HouseFault

DAMAGE_ERRORS: tuple[type[apsw.Error], ...] = (apsw.CorruptError, apsw.NotADBError)
FILE_ERRORS: tuple[type[apsw.Error], ...] = (
    *DAMAGE_ERRORS,
    apsw.AuthError,
    apsw.BusyError,
    apsw.CantOpenError,
    apsw.FullError,
    apsw.IOError,
    apsw.LockedError,
    apsw.NoLFSError,
    apsw.NoMemError,
    apsw.PermissionsError,
    apsw.ProtocolError,
    apsw.ReadOnlyError,
    apsw.SchemaChangeError,
)


class UnusableFault(HouseFault):
    """The file must be replaced: damaged, not ours, or from a newer version. Trying again won't help."""


def fault_of(path: Path, error: Exception) -> HouseFault:
    """What apsw or the operating system said about ``path`` → a fault that a person can act on."""
    if isinstance(error, HouseFault):
        return error
    if isinstance(error, DAMAGE_ERRORS):
        return damaged(path, str(error))
    if isinstance(error, apsw.BusyError):
        reason = "another program has locked it; close that program"
    elif isinstance(error, apsw.FullError) or getattr(error, "errno", None) in (errno.ENOSPC, errno.EDQUOT):
        reason = "the disk is full; make room"
    elif isinstance(error, (*FILE_ERRORS, OSError)):
        reason = str(error)
    else:
        return HouseFault(Code.INTERNAL, f"{path.name}: {type(error).__name__}: {error}")
    return HouseFault(Code.STORE_UNAVAILABLE, f"{path} can't be used: {reason}", retry_after_s=1.0)


def damaged(path: Path, what: str) -> UnusableFault:
    """The fault for a file that can't be trusted, with what to do about it."""
    return UnusableFault(
        Code.STORE_UNAVAILABLE,
        f"{path} is damaged ({what}). Nothing was changed. Stop lodestard; lodestarctl backup restore ID sets"
        " what is there aside and puts the latest backup in its place (lodestarctl backup list).",
    )


def vanished(path: Path) -> UnusableFault:
    """The fault for a file that was there before, with what to do about it. ``path``: the database, or its WAL."""
    lock = f"{path.name.removesuffix('-wal')}.lock"
    return UnusableFault(
        Code.STORE_UNAVAILABLE,
        f"{path} was here and is gone or empty. Put it back; or have lodestarctl backup restore ID set aside what"
        " is left and put the latest backup there (lodestarctl backup list). To go on with what is there on purpose"
        " (sqlite3, used on it since, puts a -wal file into its database and deletes it: then nothing is lost),"
        f" delete {lock} beside it.",
    )


def half_restored(path: Path) -> UnusableFault:
    """The fault for a folder in which a restore was interrupted. Opening it could mix two ledgers."""
    return UnusableFault(
        Code.STORE_UNAVAILABLE,
        f"A backup was being put in place of {path}, and that was interrupted. Nothing is lost: say"
        " lodestarctl backup restore once more, which ends it.",
    )
