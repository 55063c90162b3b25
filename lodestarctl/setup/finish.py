"""After the files are in place: the daemon takes them in, models are fetched, clients are told, one request is sent.

Law: words go to standard error; standard output has the answer, or the JSON, and nothing else.
"""

import os
from argparse import Namespace
from pathlib import Path

import msgspec

from lodestarctl import exit_codes
from lodestarctl.commands import aider as aider_command
from lodestarctl.commands import models_pull
from lodestarctl.output import Output
from lodestarctl.render.blocks import Tone
from lodestarctl.render.words import clean, millis
from lodestarctl.session import Session
from lodestarctl.setup.apply import Work
from lodestarctl.setup.asking import agree
from lodestarctl.setup.choices import Choices
from lodestarctl.setup.facts import Facts
from lodestarctl.setup.options import Options
from lodestarctl.setup.steps import how_to_start, shown_usd
from lodestarctl.setup.terminal import Terminal
from lodestarctl.setup.trial import Subject, Trial, ask, choose_subject
from lodestarctl.usage import UsageError
from lodestard.control.client import ControlError, DaemonNotRunning
from lodestard.control.messages import DoctorReport, ModelsReport, format_usd
from lodestard.control.messages.aider import AiderFacts

KEEP = "\n\t"
DOCUMENTATION = Path("/usr/share/doc/lodestard")


def _page(name: str) -> str:
    """A page of the documentation, where it stands if it was installed."""
    there = DOCUMENTATION / name
    return str(there if there.exists() else name)


class Finish:
    """The steps that need a running daemon."""

    def __init__(
        self, session: Session, terminal: Terminal, options: Options, choices: Choices, work: Work | None
    ) -> None:
        self._session = session
        self._terminal = terminal
        self._options = options
        self._choices = choices
        self._work = work
        output = session.output
        words = Output(output.stderr, output.stderr, colour=output.colour, width=output.width)
        self._words = Session(session.args, session.client, words, session.stdin)
        self._trial: Trial | None = None
        self._undone: list[str] = []

    def run(self, facts: Facts) -> int:
        """The exit status: a failure also where something that was asked for is not done."""
        runs = self._daemon(facts)
        status = exit_codes.OK
        if runs:
            self._pull()
            self._clients()
            if self._options.test:
                status = self._try()
        else:
            self._tell_undone()
        if not (runs or facts.running) and self._options.test:
            self._terminal.say(
                "Run setup again when it runs: it goes on with a first request.", "dim", next_=facts.place.command
            )
        if self._session.output.json:
            self._say_json(facts, runs=runs or (facts.running and not self._options.start))
        return exit_codes.FAILURE if self._undone else status

    def _tell_undone(self) -> None:
        """What needs a daemon that runs with all this."""
        for target in self._choices.pulls:
            self._terminal.say(
                f"{target} is still to be downloaded.", "warn", next_=f"lodestarctl models pull {target}"
            )
            self._undone.append(f"pull {target}")
        if self._options.aider:
            self._terminal.say("Aider's files are still to be written.", "warn", next_="lodestarctl aider --write")
            self._undone.append(f"aider {self._options.aider}")

    def _daemon(self, facts: Facts) -> bool:
        self._terminal.title("Daemon")
        if not self._options.start:
            self._terminal.say("It is left alone.", "dim", next_="lodestarctl config reload")
            return False
        changed = self._work is not None and not self._work.nothing_to_do
        if facts.running and not changed:
            self._terminal.say("lodestard runs.", "good")
            return True
        assert self._work is not None
        if self._work.take_in(self._words):
            return True
        if not facts.running and not self._work.start_failed:
            self._terminal.say("lodestard does not run. Start it:")
            self._terminal.line(how_to_start(facts).removeprefix("As root: "))
        return False

    def _pull(self) -> None:
        for target in self._choices.pulls:
            args = Namespace(**{**vars(self._session.args), "model": target})
            words = Session(args, self._session.client, self._words.output, self._session.stdin)
            self._terminal.title(f"Downloading {target}")
            try:
                models_pull.run(words)
            except (ControlError, DaemonNotRunning) as error:
                self._undone.append(f"pull {target}")
                self._terminal.say(str(error), "bad", next_=f"lodestarctl models pull {target}")

    # -- clients -------------------------------------------------------------------------------------------------

    def _clients(self) -> None:
        facts = self._aider_facts()
        if facts is None or not facts.base_url:
            return
        self._terminal.title("Clients")
        key = "a key that lodestarctl keys add NAME makes" if facts.key_needed else "any key"
        self._terminal.say(f"Clients of OpenAI's dialect: {facts.base_url}, with {key}.")
        self._terminal.say(f"Those of Anthropic and Ollama: {facts.base_url.removesuffix('/v1')}")
        aliases = ", ".join(model.alias for model in facts.models)
        self._terminal.say(f"Models: {aliases}. More of each client: {_page('docs/clients.md')}")
        if self._options.aider:
            self._write_aider(Path(self._options.aider))
        else:
            root = " (as yourself, not as root)" if os.geteuid() == 0 else ""
            self._terminal.say(f"Aider, in a project's folder{root}:")
            self._terminal.line("lodestarctl aider --write")

    def _write_aider(self, folder: Path) -> None:
        names = ("project", "model", "weak")
        args = Namespace(folder=str(folder), write=True, force=False, tell_waiting=False, **dict.fromkeys(names))
        words = Session(args, self._session.client, self._words.output, self._session.stdin)
        try:
            status = aider_command.run(words)
        except UsageError as error:
            self._terminal.say(f"{error}", "warn")
            status = exit_codes.USAGE
        if status != exit_codes.OK:
            self._undone.append(f"aider {folder}")

    def _aider_facts(self) -> AiderFacts | None:
        try:
            return self._session.client.ask("aider", {}, AiderFacts)
        except (ControlError, DaemonNotRunning):
            return None

    # -- the request ---------------------------------------------------------------------------------------------

    def _try(self) -> int:
        self._terminal.title("A first request")
        try:
            subject = choose_subject(self._session.client.ask("models", {}, ModelsReport))
            facts = self._aider_facts()
            if subject is None or facts is None:
                self._terminal.say("There is no model that could be asked.", "bad")
                self._say_findings()
                return exit_codes.FAILURE
            if subject.most_nano_usd and not self._may_cost(subject, subject.most_nano_usd):
                return exit_codes.OK
            self._terminal.say(f"Asking {subject.name} …", "dim")
            if not subject.most_nano_usd:
                self._terminal.say("A model that is not in memory is loaded first; that can take minutes.", "dim")
            self._trial = ask(self._session, facts, subject)
        except (ControlError, DaemonNotRunning) as error:
            self._trial = Trial(model="", error=str(error))
        return self._tell(self._trial)

    def _may_cost(self, subject: Subject, most_nano_usd: int) -> bool:
        most = f"${format_usd(most_nano_usd, places=6)}"
        self._terminal.say(f"No free model is there. One request to {subject.name} costs at most {most}.", "warn")
        if not self._terminal.interactive or self._options.yes:
            self._terminal.say("It is not sent: what costs is for a person to say.", "dim")
            return False
        return agree(self._terminal, "Send it?", default=False)

    def _tell(self, trial: Trial) -> int:
        if trial.error:
            self._terminal.say(f"It failed: {trial.error}", "bad")
            self._say_findings()
            return exit_codes.FAILURE
        if not self._session.output.json:
            answer = trial.answer.strip()
            output = self._session.output
            output.write(f"{clean(answer, keep=KEEP) if output.terminal else answer}\n")
        cost = shown_usd(trial.cost_usd) if trial.cost_usd else "an unknown amount"
        self._terminal.say(f"{trial.model} answered in {millis(trial.seconds * 1000)}; it cost {cost}.", "good")
        self._terminal.say("Why it went as it did:")
        self._terminal.line(f"lodestarctl explain {trial.request_id}")
        return exit_codes.OK

    def _say_findings(self) -> None:
        """What the doctor says: he knows what to do."""
        try:
            report = self._session.client.ask("doctor", {}, DoctorReport)
        except (ControlError, DaemonNotRunning):
            return
        for finding in report.findings:
            if finding.severity != "info":
                tone: Tone = "bad" if finding.severity == "error" else "warn"
                self._terminal.say(finding.what, tone, next_=finding.mend)

    def _say_json(self, facts: Facts, *, runs: bool) -> None:
        data = {
            "kind": facts.place.kind,
            "config": str(facts.place.config_file),
            "done": self._work.done if self._work is not None else [],
            "undone": self._undone,
            "running": runs,
            "request": msgspec.to_builtins(self._trial) if self._trial is not None else None,
        }
        self._session.output.envelope("setup", msgspec.Raw(msgspec.json.encode(data)))
