"""``lodestarctl project init [KIND]``: a project's file and Aider's, as far as they are not there."""

from argparse import Namespace
from collections.abc import Iterator, Sequence
from pathlib import Path

from lodestarctl import exit_codes
from lodestarctl.aider.files import notes_on, write_files
from lodestarctl.aider.merge import Laid
from lodestarctl.commands.aider import REFUSED, choose_folder, choose_wanted, lay_over, say_as_json, tell, write_all
from lodestarctl.project.finding import FILE, read_text
from lodestarctl.project.templates import write_project
from lodestarctl.session import Session
from lodestarctl.usage import UsageError
from lodestard.control.messages.aider import AiderFacts

MOST_NAME = 64
MARKS = {"new": "would be written", "changed": "would be changed", "same": "is as it should be"}


def run(session: Session) -> int:
    args = session.args
    facts = session.client.ask("aider", {}, AiderFacts)
    folder = choose_folder(args.folder)
    wanted = choose_wanted(Namespace(project=args.name, model=None, weak=None, tell_waiting=False), facts, folder)
    check_name(wanted.project)
    aliases = tuple(model.alias for model in facts.models)
    project = lay_project(folder, write_project(wanted.project, args.kind or "", aliases), force=args.force)
    files = write_files(facts, wanted)
    aider = [lay_over(folder, name, text, force=args.force) for name, text in files.items()]
    left = [each.name for each in aider if each.outcome in REFUSED]
    laid = [project, *(each for each in aider if each.name not in left)]
    notes = ["It has no effect before it is trusted: lodestarctl project trust.", *notes_left(left)]
    if not left:
        notes += notes_on(facts, wanted)
    if not args.dry_run:
        return write_all(session, folder, laid, notes)
    if session.output.json:
        texts = {each.name: each.text for each in laid}
        say_as_json(session, {"folder": str(folder), "files": texts, "outcomes": {e.name: e.outcome for e in laid}})
        return exit_codes.OK
    for each in laid:
        session.output.write(f"==> {folder / each.name} ({MARKS.get(each.outcome, 'says otherwise')}) <==\n")
        session.output.write(f"{each.text}\n" if each.outcome != "same" else "\n")
    tell(session, [*notes[:1], "Nothing was written."])
    return exit_codes.OK


def notes_left(names: Sequence[str]) -> Iterator[str]:
    """Aider's files that say otherwise are somebody's choice, and no reason to write no project's file."""
    if names:
        yield f"Left as they are: {', '.join(names)}. lodestarctl aider shows what is different."


def check_name(name: str) -> None:
    """Raises ``UsageError`` where no project can have that name, such as a folder's own."""
    if not 0 < len(name) <= MOST_NAME or not name.isprintable() or name != name.strip() or set(name) & set(':/"'):
        raise UsageError(f"{name!r} is no project's name: say one with --name, without : / and quotes")


def lay_project(folder: Path, text: str, *, force: bool) -> Laid:
    """Over what is there: a file that says otherwise is a person's, and stands unless ``force``."""
    file = folder / FILE
    before = read_text(file) if file.is_file() else ""
    if not before.strip():
        return Laid(FILE, "new", "", text)
    if before == text:
        return Laid(FILE, "same", before, text)
    return Laid(FILE, "changed" if force else "differs", before, text)
