"""``lodestarctl setup``: finds out, asks, shows, writes, starts, tries."""

import os
import shutil

import msgspec

from lodestarctl import exit_codes
from lodestarctl.offline import find_lodestard
from lodestarctl.session import Session
from lodestarctl.setup.apply import Refused, Work
from lodestarctl.setup.choices import Choices
from lodestarctl.setup.facts import Facts, table_of
from lodestarctl.setup.finish import Finish
from lodestarctl.setup.guide import Ports, agree_to_write, guide
from lodestarctl.setup.look import look, look_at_server, machine_zone, read_files, systemd_version
from lodestarctl.setup.options import FLAGS, Options, read_options
from lodestarctl.setup.place import Place, find_place
from lodestarctl.setup.plan import overruled, tables_for
from lodestarctl.setup.probe import try_key
from lodestarctl.setup.render import render_report
from lodestarctl.setup.steps import Report, report_on
from lodestarctl.setup.terminal import LeftError, RealTerminal
from lodestarctl.usage import UsageError
from lodestard.control.client import ControlClient


def run(session: Session) -> int:
    terminal = RealTerminal(session.output, session.stdin)
    options = read_options(session.args, lambda name: read_line(session, terminal, name))
    terminal.interactive &= not options.yes
    systemd = systemd_version() if os.geteuid() == 0 else 0
    place = find_place(options.place, os.environ, os.geteuid(), systemd=systemd)
    if shutil.which("lodestard") is None:  # one file, or a checkout
        place = msgspec.structs.replace(place, program=" ".join(find_lodestard()))
    if not session.args.check and not terminal.interactive and not options.say_something:
        raise UsageError(f"nobody is there to ask (no terminal); say what to do: {FLAGS}")
    session.client = client_for(session, place)
    facts = look(place, options.ollama, session.client)
    if session.args.check:
        return show_check(session, facts)
    if facts.faults or facts.elsewhere:
        show_check(session, facts)
        return exit_codes.FAILURE
    if not place.may_write and not options.dry_run:
        terminal.say(
            f"This machine's Lodestar is root's to set up ({place.config_file}). Nothing was written.", "bad"
        )
        terminal.line(place.command)
        terminal.say("A Lodestar of your own, beside it:")
        terminal.line("lodestarctl setup --user")
        return exit_codes.NOT_PERMITTED
    return Run(session, terminal, options, facts).run()


def read_line(session: Session, terminal: RealTerminal, name: str) -> str:
    """The next key of standard input; unseen where it is a terminal."""
    if session.stdin.isatty():
        try:
            return terminal.secret(f"Key of {name} (it is not shown):")
        except LeftError:
            return ""
    return session.stdin.readline()


def client_for(session: Session, place: Place) -> ControlClient:
    """Of the control socket that the configuration names, where the person names none."""
    if session.args.socket or os.environ.get("LODESTAR_SOCKET"):
        return session.client
    named = [table_of(file.tables, "control").get("socket") for file in read_files(place)[0]]
    said = [socket for socket in named if isinstance(socket, str) and socket]
    return ControlClient(said[-1]) if said else session.client


def show_check(session: Session, facts: Facts) -> int:
    report = report_on(facts)
    session.show("setup.check", msgspec.Raw(msgspec.json.encode(report)), Report, render_report)
    return exit_codes.OK if report.ok else exit_codes.FAILURE


class Run:
    """One run that may change something."""

    def __init__(self, session: Session, terminal: RealTerminal, options: Options, facts: Facts) -> None:
        self._session = session
        self._terminal = terminal
        self._options = options
        self._facts = facts
        self._work: Work | None = None

    def run(self) -> int:
        """Whatever ends it, what was done is said."""
        try:
            return self._run()
        except (KeyboardInterrupt, LeftError):
            self._terminal.say("Stopped.", "warn")
            return self._say_done(exit_codes.INTERRUPTED)
        except Refused as error:
            for line in str(error).splitlines():
                self._terminal.say(line, "bad")
            return self._say_done(exit_codes.FAILURE)

    def _run(self) -> int:
        choices = self._decide()
        tables = tables_for(self._facts, choices)
        self._work = work = Work(self._terminal, self._facts, choices, tables)
        if self._options.dry_run:
            return self._show_dry(work)
        if work.nothing_to_do:
            self._terminal.title("Nothing to write: all of this is set already.")
        elif not self._write(work, tables):
            return exit_codes.OK
        return Finish(self._session, self._terminal, self._options, choices, work).run(self._facts)

    def _decide(self) -> Choices:
        ports = Ports(look_at_server, try_key, machine_zone())
        try:
            return guide(self._terminal, self._facts, self._options, ports)
        except ValueError as error:
            raise UsageError(str(error)) from None

    def _write(self, work: Work, tables: dict[str, object]) -> bool:
        """Show, ask, write; False where the person does not want it."""
        self._terminal.title("What will be done")
        for line in work.preview():
            self._terminal.line(line)
        for sentence in overruled(self._facts, tables):
            self._terminal.say(sentence, "warn")
        if not agree_to_write(self._terminal, self._options):
            self._terminal.say("Nothing was written.")
            return False
        self._terminal.title("Writing")
        work.write()
        return True

    def _show_dry(self, work: Work) -> int:
        lines = work.preview() or ["nothing: all of this is set already"]
        if self._session.output.json:
            data = {"dry_run": True, "would": lines}
            self._session.output.envelope("setup", msgspec.Raw(msgspec.json.encode(data)))
        else:
            self._session.output.write("".join(f"{line}\n" for line in lines))
        return exit_codes.OK

    def _say_done(self, status: int) -> int:
        done = self._work.done if self._work is not None else []
        if not done:
            self._terminal.say("Nothing was written.")
            return status
        self._terminal.say("What was done stays, and works:")
        for each in done:
            self._terminal.line(each)
        self._terminal.say("lodestarctl setup goes on from there.", "dim")
        return status
