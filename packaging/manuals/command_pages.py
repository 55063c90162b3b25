"""The pages of lodestarctl, from the tables that its parsers and ``--help`` are made from."""

from collections.abc import Iterable, Iterator, Mapping, Sequence

from facts import CTL_ENVIRONMENT, CTL_FILES
from roff import bold, escape, fill, italic, literal, prose, reference, tagged

from lodestarctl.exit_codes import EXIT_CODES, MEANINGS
from lodestarctl.manual import about
from lodestarctl.parser import DESCRIPTION, PROGRAM, help_of, sentence
from lodestarctl.table import (
    COMMANDS,
    DEFAULT_OF_GROUP,
    GLOBAL_OPTIONS,
    Command,
    Option,
    group_members,
    is_command,
)

VERSION_HELP = "print this program's version and exit"


def write_pages() -> Mapping[str, list[str]]:
    """Every page's name and body."""
    pages = {PROGRAM: list(_program())}
    for group in groups():
        pages[page_name(group)] = list(_group(group))
    for command in COMMANDS:
        pages[page_name(command.name)] = list(_command(command))
    return pages


def groups() -> list[str]:
    """First words that are no commands of their own."""
    firsts = dict.fromkeys(command.name.split()[0] for command in COMMANDS if " " in command.name)
    return [first for first in firsts if not is_command(first)]


def page_name(name: str) -> str:
    return f"{PROGRAM}-{name.replace(' ', '-')}"


def _program() -> Iterator[str]:
    yield from name_of(PROGRAM, "control Lodestar, a gateway for language models")
    yield from [*_synopsis(PROGRAM, GLOBAL_OPTIONS, f"{italic('command')} ..."), ".SH DESCRIPTION"]
    yield from prose(
        f"{DESCRIPTION} Data goes to standard output, messages to standard error. What only looks is open to "
        "the groups of control.read_groups in the configuration, everything to those of control.admin_groups."
    )
    yield from [".SH OPTIONS", "They may stand before a command or behind it."]
    others = [(bold("--version"), prose(VERSION_HELP)), (bold("--help"), prose("what this page says, in short"))]
    yield from tagged([*map(_option, GLOBAL_OPTIONS), *others])
    yield from [".SH COMMANDS", *tagged((bold(each.name), prose(each.summary)) for each in COMMANDS)]
    alone = ", ".join(f"{group} is {group} {default}" for group, default in DEFAULT_OF_GROUP.items())
    yield from [".PP", *prose(f"A group's name alone is a command too: {alone}.")]
    yield from [".PP", *prose(f"Each has a page of its own: {page_name('costs report')} and so on.")]
    yield from _statuses()
    yield from [".SH ENVIRONMENT", *facts(CTL_ENVIRONMENT), ".SH FILES", *facts(CTL_FILES), ".SH EXAMPLES"]
    yield from _examples([about(name).examples[number] for name, number in (("status", 0), ("costs", 1), ("use", 0))])
    pages = [page_name(name) for name in [*groups(), *(each.name for each in COMMANDS)]]
    yield from see_also([*((name, 1) for name in pages), ("lodestard.toml", 5), ("lodestard", 8)])


def _statuses() -> Iterator[str]:
    """Each status with the codes of ``--json`` that lead to it."""
    yield ".SH EXIT STATUS"
    items = []
    for status, meaning in MEANINGS.items():
        codes = [code.value for code, its in EXIT_CODES.items() if its == status]
        items.append((bold(str(status)), prose(meaning + (f": {', '.join(codes)}" if codes else ""))))
    yield from tagged(items)


def _group(group: str) -> Iterator[str]:
    members = [command for command in COMMANDS if command.name.startswith(f"{group} ")]
    yield from name_of(page_name(group), f"the {PROGRAM} commands of the group {group}")
    yield from [*_synopsis(f"{PROGRAM} {group}", (), f"[{italic('command')} ...]"), ".SH DESCRIPTION"]
    if default := DEFAULT_OF_GROUP.get(group):
        yield from prose(f"Without a command it is {PROGRAM} {group} {default}.")
    yield from [".SH COMMANDS", *tagged((bold(each.name.split()[1]), prose(each.summary)) for each in members)]
    yield from see_also([(PROGRAM, 1), *((page_name(member.name), 1) for member in members)])


def _command(command: Command) -> Iterator[str]:
    told = about(command.name)
    yield from name_of(page_name(command.name), command.summary)
    yield from [*_synopsis(f"{PROGRAM} {command.name}", command.options), ".SH DESCRIPTION"]
    yield from prose(sentence(command.summary))
    for paragraph in filter(None, told.text.split("\n\n")):
        yield from [".PP", *prose(paragraph)]
    yield from [".SH OPTIONS", *tagged(map(_option, command.options))]
    yield from [*([".SS Global options"] if command.options else []), *tagged(map(_option, GLOBAL_OPTIONS))]
    own = f"{told.exits} Other statuses are" if told.exits else "As"
    yield from [".SH EXIT STATUS", *prose(f"{own} told in"), reference(PROGRAM, 1, ".")]
    yield from [".SH ENVIRONMENT AND FILES", "As told in", reference(PROGRAM, 1, ".")]
    if told.examples:
        yield from [".SH EXAMPLES", *_examples(told.examples)]
    yield from see_also([(PROGRAM, 1), *((page_name(other), 1) for other in _neighbours(command))])


def _neighbours(command: Command) -> list[str]:
    group = command.name.split()[0]
    names = [f"{group} {member}" for member in group_members(group)]
    whole = [group, *names] if names else []
    return [name for name in whole if name != command.name]


def name_of(name: str, summary: str) -> list[str]:
    """The section from which apropos(1) knows a page."""
    return [".SH NAME", *fill(f"{escape(name, code=True)} \\- {escape(summary)}")]


def _synopsis(program: str, options: Sequence[Option], rest: str = "") -> list[str]:
    named = [option for option in options if not option.positional]
    positional = [option for option in options if option.positional]
    words = [*map(_used, [*named, *positional]), *([rest] if rest else [])]
    return synopsis(program, words)


def synopsis(program: str, words: Sequence[str]) -> list[str]:
    """How it is called; a word is never divided."""
    return [".SH SYNOPSIS", f'.SY "{escape(program)}"', *words, ".YS"]


def _used(option: Option) -> str:
    """As it stands in a synopsis."""
    if not option.positional:
        return f"[{spelt(option.flags[0], _argument_of(option))}]" + (" ..." if option.many else "")
    shown = italic(_argument_of(option)) + ("\\ ..." if option.many else "")
    return f"[{shown}]" if option.optional or option.many else shown


def spelt(flag: str, value: str) -> str:
    """An option with what stands for its value."""
    return f"{bold(flag)}\\ {italic(value)}" if value else bold(flag)


def _argument_of(option: Option) -> str:
    """What stands for its value; nothing for a flag."""
    if option.kind == "flag":
        return ""
    if option.metavar:
        return option.metavar
    if option in GLOBAL_OPTIONS:
        return "PATH"
    if option.choices:
        return "|".join(option.choices)
    return option.flags[0] if option.positional else option.flags[-1].lstrip("-").upper().replace("-", "_")


def _option(option: Option) -> tuple[str, list[str]]:
    value = _argument_of(option)
    term = italic(value) if option.positional else ", ".join(spelt(flag, value) for flag in option.flags)
    return term, prose(help_of(option))


def _examples(examples: Iterable[tuple[str, str]]) -> Iterator[str]:
    for number, (line, what) in enumerate(examples):
        yield from [*([".PP"] if number else []), *prose(f"{what[:1].upper()}{what[1:]}:"), *literal([line])]


def facts(rows: Iterable[tuple[str, str]]) -> list[str]:
    """Variables, signals or files with what they are for."""
    return tagged((bold(name), prose(text)) for name, text in rows)


def see_also(pages: Iterable[tuple[str, int]]) -> list[str]:
    """By section and name."""
    listed = sorted(dict.fromkeys(pages), key=lambda page: (page[1], page[0]))
    return [".SH SEE ALSO", *(reference(*each, "," if each != listed[-1] else "") for each in listed)]
