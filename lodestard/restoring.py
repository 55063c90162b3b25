"""``lodestard --backup``: backups without a daemon, when it is down or its machine is a new one.

Law: what changes a state folder holds the ledger's lock, and as root goes on as the folder's owner first. A restore
says what it will do, and waits for a line on standard input that agrees. Answers are the very envelopes that the
control socket would give, an item a line: whoever wants words asks ``lodestarctl backup``.
"""

import argparse
import os
import pwd
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import msgspec

from lodestard.backups import BackupRoom
from lodestard.boot import Reader, places
from lodestard.config import ConfigError
from lodestard.config.paths import find_paths
from lodestard.control.messages import Refusal, write_answer, write_refusal
from lodestard.control.messages.backup import BackupItem, Restored, RestoreItem, is_file
from lodestard.daemon import zone_name
from lodestard.domain.backup import BackupRules, Step
from lodestard.domain.clock import SystemClock
from lodestard.domain.errors import CallerFault, Code, Fault
from lodestard.module import Module
from lodestard.recovering import Wanted, restore, resume
from lodestard.store.backup_folder import find_backup
from lodestard.store.backup_restore import become_owner, unfinished

SERVICE_USER = "lodestar"
AGREED = "yes"
TELL_NS = 100_000_000
EXIT_OK, EXIT_FAILURE, EXIT_INTERRUPTED = 0, 1, 130


def run_backup(words: Sequence[str], config: Path | None, modules: Sequence[Module]) -> int:
    """The exit status; what is wrong is said in an envelope, but for words that can't be understood."""
    asked = _parser().parse_args(words)
    try:
        reader = Reader(config or find_paths(os.environ, os.geteuid()).config_file, os.environ, modules)
        settings = reader.load().settings
        rules = _rules_of(settings.modules.get("backup"))
        room = BackupRoom(
            places(settings, os.environ).state_dir, reader.config_file, zone_name(settings), SystemClock()
        )
        log = getattr(settings.modules.get("ledger_log"), "folder", "")
        run = _Run(room, rules, asked, Path(log).expanduser() if log else None)
        actions: dict[str, Callable[[], int]] = {
            "now": run.now,
            "list": run.list,
            "verify": run.verify,
            "restore": run.restore,
        }
        return actions[asked.what]()
    except (ConfigError, Fault, OSError) as error:
        return _refuse(error)
    except KeyboardInterrupt:  # at the question, as a rule; a restore that has begun is ended by the same command
        return EXIT_INTERRUPTED


class _Run:
    """One run of one action."""

    def __init__(self, room: BackupRoom, rules: BackupRules, asked: argparse.Namespace, log: Path | None) -> None:
        self._room = room
        self._rules = rules
        self._asked = asked
        self._log = log
        self._told, self._told_ns = "", 0

    def now(self) -> int:
        self._become(self._room.state_dir)
        made = self._room.make_now(self._rules, self._tell, lambda: False)
        _say("backup.now", BackupItem(made=made))
        return EXIT_OK

    def list(self) -> int:
        _say("backup.list", self._room.read_shelf(self._rules))
        return EXIT_OK

    def verify(self) -> int:
        which = self._asked.backup
        if is_file(which):
            from lodestard.recovering import verify_file

            found = verify_file(Path(which))
        else:
            self._become(self._room.state_dir)
            found = self._room.verify_now(self._rules, which, lambda: False)
        _say("backup.verify", found)
        return EXIT_FAILURE if found.faults else EXIT_OK

    def restore(self) -> int:
        folder = Path(self._asked.to).absolute() if self._asked.to else self._room.state_dir
        if unfinished(folder) is not None:  # which backup it was is known there, wherever that is by now
            self._become(folder)
            restored = resume(folder)
        else:
            restored = self._restore_to(folder, self._asked.backup)
        if restored is None:
            return EXIT_FAILURE
        _say("backup.restore", RestoreItem(restored=restored))
        return EXIT_OK

    def _restore_to(self, folder: Path, which: str) -> Restored | None:
        if not which:
            raise CallerFault(Code.INVALID_REQUEST, "Say which backup: lodestarctl backup list.", param="backup")
        file = Path(which) if is_file(which) else find_backup(self._room.folder(self._rules), which)
        with file.open("rb") as stream:
            self._become(folder)
            log = self._log or folder / "ledger-log"
            return restore(Wanted(file, stream, folder, log, keep_spent=self._asked.keep_spent), self._agree)

    def _agree(self, item: RestoreItem) -> bool:
        _say("backup.restore", item)
        return self._asked.yes or sys.stdin.readline().strip() == AGREED

    def _tell(self, step: Step) -> None:
        """Not each of thousands: whoever looks sees ten a second."""
        now_ns = self._room.clock.monotonic_ns()
        if self._asked.steps and (step.what != self._told or now_ns - self._told_ns >= TELL_NS):
            self._told, self._told_ns = step.what, now_ns
            _say("backup.now", BackupItem(step=step))

    def _become(self, folder: Path) -> None:
        become_owner(folder, _service_ids())


def _service_ids() -> tuple[int, int]:
    """Whose a state folder is that is not there yet."""
    try:
        user = pwd.getpwnam(SERVICE_USER)
    except KeyError:
        return os.geteuid(), os.getegid()
    return user.pw_uid, user.pw_gid


def _rules_of(table: object) -> BackupRules:
    """The module's table, whatever that is; the defaults where the module is not there."""
    names = (name for name in BackupRules.__struct_fields__ if hasattr(table, name))
    return msgspec.convert({name: getattr(table, name) for name in names}, BackupRules)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="lodestard --backup", allow_abbrev=False)
    parser.add_argument("what", choices=("now", "list", "verify", "restore"))
    parser.add_argument("backup", nargs="?", default="", help="an id or a file; otherwise the newest")
    parser.add_argument(
        "--to", metavar="DIR", default="", help="restore to this state folder, not the configured one"
    )
    parser.add_argument("--keep-spent", action="store_true", help="carry over what only the present ledger knows")
    parser.add_argument("--yes", action="store_true", help="do not wait for an agreement")
    parser.add_argument("--steps", action="store_true", help="with now: tell how far it is, an item a line")
    parser.add_argument("--json", action="store_true", help="taken for its callers' sake: it is always JSON")
    return parser


def _say(verb: str, data: msgspec.Struct) -> None:
    sys.stdout.write(write_answer(verb, data).decode() + "\n")
    sys.stdout.flush()


def _refuse(error: ConfigError | Fault | OSError) -> int:
    code = Code.INVALID_REQUEST if isinstance(error, ConfigError) else Code.STORE_UNAVAILABLE
    message = error.message if isinstance(error, CallerFault) else str(error)
    if isinstance(error, Fault):
        code = error.code
    elif isinstance(error, OSError):
        message = f"{error.filename or 'A file'}: {error.strerror or error}."
    sys.stdout.write(write_refusal(Refusal(code=code.value, message=message)).decode() + "\n")
    return EXIT_FAILURE
