"""``lodestarctl aider``: prints or writes the files that make Aider's own figures right where they can be."""

from argparse import Namespace
from collections.abc import Mapping
from pathlib import Path

import msgspec

from lodestarctl import exit_codes
from lodestarctl.aider.files import Wanted, always_free, notes_on, write_files
from lodestarctl.aider.merge import Laid, lay
from lodestarctl.folder import work_folder
from lodestarctl.session import Session
from lodestarctl.usage import UsageError
from lodestard.control.messages import did_you_mean
from lodestard.control.messages.aider import AiderFacts, AiderModel

DEFAULT_ALIAS = "auto"
MOST_BACKUPS = 1_000
MODE = 0o777
REFUSED = ("differs", "foreign")
DONE = {"new": "written", "changed": "changed (the old one is beside it, as .bak)", "same": "is as it should be"}


def run(session: Session) -> int:
    args = session.args
    facts = session.client.ask("aider", {}, AiderFacts)
    folder = choose_folder(args.folder)
    wanted = choose_wanted(args, facts, folder)
    files, notes = write_files(facts, wanted), notes_on(facts, wanted)
    if args.write:
        laid = [lay_over(folder, name, text, force=args.force) for name, text in files.items()]
        return write_all(session, folder, laid, notes)
    if session.output.json:
        say_as_json(session, {"folder": str(folder), "files": files, "notes": notes})
        return exit_codes.OK
    for name, text in files.items():
        session.output.write(f"==> {folder / name} <==\n{text}\n")
    tell(session, [*notes, "Nothing was written; lodestarctl aider --write does."])
    return exit_codes.OK


def say_as_json(session: Session, data: Mapping[str, object]) -> None:
    session.output.envelope("aider", msgspec.Raw(msgspec.json.encode(data)))


def choose_folder(given: str) -> Path:
    """Raises ``UsageError`` where it is none."""
    folder = Path(given or work_folder() or ".").resolve()
    if not folder.is_dir():
        raise UsageError(f"{folder} is not a folder")
    return folder


def choose_wanted(args: Namespace, facts: AiderFacts, folder: Path) -> Wanted:
    """What was asked for, and sensible answers to what was not. Raises ``UsageError``."""
    if not facts.models or not facts.base_url:
        raise UsageError("the daemon has no model or no port that Aider could be pointed at")
    by_alias = {model.alias: model for model in facts.models}
    default = DEFAULT_ALIAS if DEFAULT_ALIAS in by_alias else facts.models[0].alias
    model = known(args.model or default, by_alias)
    weak = known(args.weak, by_alias) if args.weak else None
    main = by_alias[model]
    project = args.project or folder.name
    if not project.isprintable() or ":" in project:
        raise UsageError("--project must be printable and without a colon: it is part of a key")
    weak = weak or (model if main.free else always_free(facts.models) or model)
    return Wanted(project, model, weak, tell_waiting=args.tell_waiting)


def known(alias: str, by_alias: dict[str, AiderModel]) -> str:
    if alias in by_alias:
        return alias
    near = did_you_mean(alias, by_alias)
    raise UsageError(f"there is no model {alias!r}.{f' Did you mean {near}?' if near else ''}")


def lay_over(folder: Path, name: str, text: str, *, force: bool) -> Laid:
    """Our file over what is there. Raises ``UsageError`` where that can't be read."""
    try:
        before = (folder / name).read_text("utf-8")
    except FileNotFoundError:
        before = None
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"can't read {folder / name}: {error}") from None
    return lay(name, before, text, force=force)


def write_all(session: Session, folder: Path, laid: list[Laid], notes: list[str]) -> int:
    """All of them or none."""
    refused = [each for each in laid if each.outcome in REFUSED]
    if not refused:
        for each in laid:
            if each.outcome != "same":
                write_or_say(folder / each.name, each.text)
    if session.output.json:
        outcomes = {each.name: each.outcome for each in laid}
        say_as_json(session, {"folder": str(folder), "outcomes": outcomes, "notes": notes})
    elif refused:
        session.output.write("".join(diff_of(each, folder) for each in refused))
        tell(session, [advice_on(each, folder) for each in refused])
        tell(session, ["Nothing was written. --force writes, and keeps what is there as .bak."])
    else:
        session.output.write("".join(f"{folder / each.name} {DONE[each.outcome]}\n" for each in laid))
        tell(session, notes)
    return exit_codes.FAILURE if refused else exit_codes.OK


def advice_on(each: Laid, folder: Path) -> str:
    if each.outcome == "foreign":
        return f"{folder / each.name} was not written by lodestarctl aider: add what is missing by hand, or --force."
    return f"{folder / each.name} says otherwise: change it by hand, or --force."


def diff_of(each: Laid, folder: Path) -> str:
    """What writing it would change."""
    from difflib import unified_diff

    lines = unified_diff(
        each.before.splitlines(keepends=True),
        each.text.splitlines(keepends=True),
        str(folder / each.name),
        f"{folder / each.name} (wanted)",
    )
    return "".join(line if line.endswith("\n") else f"{line}\n" for line in lines)


def write_or_say(file: Path, text: str) -> None:
    """Raises ``UsageError`` where it can't be written."""
    try:
        write_one(file, text)
    except OSError as error:
        raise UsageError(f"can't write {file}: {error.strerror or error}") from None


def write_one(file: Path, text: str) -> None:
    """Replace a file whole, following a link to it; what was there is kept beside it."""
    file = file.resolve()
    if file.exists():
        backup = next(place for place in backups_of(file) if not place.exists())
        backup.write_bytes(file.read_bytes())
        backup.chmod(file.stat().st_mode & MODE)
    new = file.with_name(f"{file.name}.new")
    new.write_text(text, "utf-8")
    if file.exists():
        new.chmod(file.stat().st_mode & MODE)
    new.replace(file)


def backups_of(file: Path) -> list[Path]:
    return [file.with_name(f"{file.name}.bak{f'.{number}' if number else ''}") for number in range(MOST_BACKUPS)]


def tell(session: Session, lines: list[str]) -> None:
    """Said beside the data."""
    for line in lines:
        session.output.say(line)
