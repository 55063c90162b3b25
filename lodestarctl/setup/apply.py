"""Does what was decided, in an order in which a stop at any point leaves something that works.

Law: first the check of the whole, then the keys (nobody reads one that no configuration names), then the files, then
the unit, then the daemon. What was done is in ``done``, one sentence each.
"""

import os
import subprocess
from collections.abc import Mapping
from difflib import unified_diff
from typing import Any

from lodestarctl import exit_codes, service
from lodestarctl.commands import restart
from lodestarctl.session import Session
from lodestarctl.setup.check import faults_with
from lodestarctl.setup.choices import Choices
from lodestarctl.setup.facts import Facts
from lodestarctl.setup.files import drop_in_text, keep_backup, main_text, write_whole
from lodestarctl.setup.look import look_for_daemon, read_files
from lodestarctl.setup.place import SOCKETS, UNIT
from lodestarctl.setup.plan import credential_of
from lodestarctl.setup.store import remove_key, store_key, write_unit_drop_in
from lodestarctl.setup.terminal import Terminal
from lodestard.control.client import ControlError, DaemonNotRunning
from lodestard.control.messages import ReloadReport

START_S = 90.0


class Refused(Exception):
    """Nothing (more) can be written; the message says why, a fault a line."""


def _rows(text: str) -> list[str]:
    return [row for row in text.splitlines() if row and not row.startswith("#")]


class Work:
    """What one run changes."""

    def __init__(self, terminal: Terminal, facts: Facts, choices: Choices, tables: Mapping[str, Any]) -> None:
        self._terminal = terminal
        self._facts = facts
        self._place = facts.place
        self._choices = choices
        self._new_file = dict(tables) != dict(facts.own)
        self.text = drop_in_text(tables)
        self.main = None if facts.config_there else main_text()
        self.done: list[str] = []
        self._keys_changed = bool(choices.keys or choices.removed)
        self._unit_changed = False
        self.start_failed = False

    @property
    def nothing_to_do(self) -> bool:
        return not (self._new_file or self.main or self._keys_changed)

    def preview(self) -> list[str]:
        """What would be done, a line each; keys by their names alone."""
        place = self._place
        lines = [f"write {place.config_file} (a start: comments alone)"] if self.main else []
        if self._new_file:
            lines.append(f"write {place.drop_in}:")
            lines += [f"  {row}" for row in self._changed_rows()]
        for name in self._choices.keys:
            kinds = place.places_of(self._credential(name))
            lines.append(f"keep the key of {name} in {kinds[place.store]}")
        lines += [f"remove the key of {name}" for name in self._choices.removed]
        return lines

    def _changed_rows(self) -> list[str]:
        """All of the file where it is new; otherwise what goes (-) and what comes (+)."""
        rows = _rows(self.text)
        if not self._facts.own:
            return rows
        changes = unified_diff(_rows(drop_in_text(self._facts.own)), rows, n=1, lineterm="")
        return [change for change in changes if not change.startswith(("---", "+++", "@@"))]

    def write(self) -> None:
        """Check, then write. Raises ``Refused``."""
        if read_files(self._place)[0] != self._facts.files:
            raise Refused("The configuration has changed since setup has read it. Run setup again.")
        try:
            if faults := faults_with(self._place, self.main, self.text):
                raise Refused("\n".join(faults))
            self._write_keys()
            self._write_files()
            if self._keys_changed and self._place.unit and self._place.kind == "system":
                self._unit_changed = write_unit_drop_in(self._place)
        except OSError as error:
            raise Refused(f"{error.filename or self._place.drop_in}: {error.strerror or error}") from None

    def _write_keys(self) -> None:
        for name, key in self._choices.keys.items():
            stored = store_key(self._place, self._credential(name), key)
            self._tell(f"Kept the key of {name} in {stored.path}.")
            if stored.note:
                self._terminal.say(stored.note, "warn")
        for name in self._choices.removed:
            for path in remove_key(self._place, self._credential(name)):
                self._tell(f"Removed the key of {name} ({path}).")

    def _credential(self, name: str) -> str:
        upstream = self._facts.key_of(name).upstream or name
        return credential_of(self._facts, upstream) if self._place.store != "file" else upstream

    def _write_files(self) -> None:
        if self.main is not None:
            write_whole(self._place.config_file, self.main.encode())
            self._tell(f"Wrote {self._place.config_file}.")
        if self._new_file:
            backup = keep_backup(self._place.drop_in)
            write_whole(self._place.drop_in, self.text.encode())
            kept = f" The one before is {backup}." if backup else ""
            self._tell(f"Wrote {self._place.drop_in}.{kept}")

    def _tell(self, text: str) -> None:
        self.done.append(text)
        self._terminal.say(text, "good")

    # -- the daemon ----------------------------------------------------------------------------------------------

    def take_in(self, session: Session) -> bool:
        """Have the daemon work with it; whether it does. Says why where it does not."""
        if self._unit_changed:
            self._systemctl("daemon-reload")
        try:
            if not look_for_daemon(self._place, session.client).running:
                return self._start()
            if not self._keys_changed:
                return self._reload(session)
            return self._restart(session, "the keys")
        except (ControlError, DaemonNotRunning) as error:
            self._terminal.say(str(error), "bad", next_="lodestarctl doctor")
            return False

    def _restart(self, session: Session, what: str) -> bool:
        self._terminal.say(f"lodestard begins anew with {what}; no request is lost.")
        good = restart.run(session) == exit_codes.OK
        if good:
            self.done.append("Restarted lodestard.")
        return good

    def _reload(self, session: Session) -> bool:
        report = session.client.ask("config.reload", {}, ReloadReport)
        for fault in report.faults:
            self._terminal.say(f"{fault.key}: {fault.message}", "bad")
        if not report.ok:
            self._terminal.say("lodestard goes on with what it had.", "bad", next_="lodestarctl config check")
            return False
        if report.restart:
            return self._restart(session, ", ".join(report.restart))
        self._tell("lodestard has taken it in.")
        return True

    def _start(self) -> bool:
        place = self._place
        if not (place.unit and place.kind == "system") or os.geteuid() != 0:
            return False
        self._terminal.say("Starting lodestard …")
        self._systemctl("reset-failed", *SOCKETS, UNIT)  # or systemd would count the tries before
        if self._systemctl("enable", "--now", *SOCKETS, UNIT):
            self._tell("Started lodestard, and it starts with the machine from now on.")
            return True
        self.start_failed = True
        shown = service.look()
        self._terminal.say(f"systemd could not start it. {service.explain(shown)}".rstrip(), "bad")
        for line in service.advise(shown, service.last_words()):
            self._terminal.say(line)
        return False

    def _systemctl(self, *words: str) -> bool:
        try:
            done = subprocess.run(  # noqa: S603 - words without a shell
                ["systemctl", "--no-ask-password", *words],  # noqa: S607 - root's path
                stdin=subprocess.DEVNULL,
                capture_output=True,
                check=False,
                timeout=START_S,
            )
        except (OSError, subprocess.TimeoutExpired):
            return False
        return done.returncode == 0
