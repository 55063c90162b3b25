"""Parsers made from the table: one for what stands before the command, one for the command itself.

Law: only the parser that is needed is built, and what ``--help`` says comes from the table alone.
"""

from argparse import REMAINDER, SUPPRESS, ArgumentParser, Namespace, RawDescriptionHelpFormatter
from collections.abc import Iterator, Sequence
from typing import Any

from lodestarctl.exit_codes import MEANINGS
from lodestarctl.output import terminal_width
from lodestarctl.table import COMMANDS, DEFAULT_OF_GROUP, GLOBAL_OPTIONS, Command, Option
from lodestard.control.messages import VerbInfo

PROGRAM = "lodestarctl"
DESCRIPTION = "Asks a running lodestard, and tells it what to do."
MORE = f"{PROGRAM} COMMAND --help says more of each, with examples."
WIDEST = 100
"""Columns of running text; a wider line is hard to read."""


class HelpfulParser(ArgumentParser):
    """Puts its text together when somebody asks for it: no other start pays for it."""

    command: Command | None = None

    def format_help(self) -> str:
        if self.command is None:
            exits = "\n".join(f"  {status:<3}  {meaning}" for status, meaning in MEANINGS.items())
            self.epilog = f"commands:\n{_command_list()}\n\n{MORE}\n\nexit status:\n{exits}"
        else:
            from lodestarctl.manual import about

            told = about(self.command.name)
            self.description = "\n\n".join(map(_wrap, (sentence(self.command.summary), *_paragraphs(told.text))))
            self.epilog = "\n\n".join(_tail(self.command, told.examples, told.exits)) or None
        return super().format_help()


def _tail(command: Command, examples: Sequence[tuple[str, str]], exits: str) -> Iterator[str]:
    if members := [other for other in COMMANDS if other.name.startswith(f"{command.name} ")]:
        yield f"also:\n{_command_list(members)}"
    if examples:
        yield "examples:\n" + "\n".join(f"  {line}\n{_wrap(what, '      ')}" for line, what in examples)
    if exits:
        yield f"exit status:\n{_wrap(exits, '  ')}"


def sentence(summary: str) -> str:
    """A summary as a sentence of its own."""
    return f"{summary[:1].upper()}{summary[1:]}."


def _paragraphs(text: str) -> list[str]:
    return text.split("\n\n") if text else []


def _wrap(text: str, indent: str = "", first: str | None = None) -> str:
    from textwrap import fill

    width = min(terminal_width() - 2, WIDEST)
    begin = indent if first is None else first
    return fill(text, width, initial_indent=begin, subsequent_indent=indent, break_on_hyphens=False)


def main_parser() -> ArgumentParser:
    """Reads the global options and leaves the command and all after it in ``words``."""
    parser = HelpfulParser(
        PROGRAM,
        description=DESCRIPTION,
        formatter_class=_formatter,
        usage="%(prog)s [options] command …",
        allow_abbrev=False,
    )
    _add_globals(parser, suppressed=False)
    parser.add_argument("--version", action="store_true", help="print this program's version and exit")
    parser.add_argument("words", nargs=REMAINDER, help=SUPPRESS)
    return parser


def _formatter(prog: str) -> RawDescriptionHelpFormatter:
    """Told the width: otherwise every parser imports ``shutil`` to ask."""
    return RawDescriptionHelpFormatter(prog, width=terminal_width() - 2)


def group_help(group: str) -> str:
    """What a group's name alone can be followed by."""
    members = [command for command in COMMANDS if command.name.startswith(f"{group} ")]
    default = DEFAULT_OF_GROUP.get(group)
    alone = f"\nAlone it is {PROGRAM} {group} {default}.\n" if default else ""
    return f"usage: {PROGRAM} {group} …\n\n{_command_list(members)}\n{alone}"


def _command_list(commands: Sequence[Command] = COMMANDS) -> str:
    longest = max(len(command.name) for command in commands)
    indent = " " * (longest + 4)
    return "\n".join(_wrap(command.summary, indent, f"  {command.name:<{longest}}  ") for command in commands)


def command_parser(command: Command) -> ArgumentParser:
    """Reads what stands after a command's name; global options may stand there too."""
    parser = HelpfulParser(f"{PROGRAM} {command.name}", formatter_class=_formatter, allow_abbrev=False)
    parser.command = command
    for option in command.options:
        _add(parser, option)
    _add_globals(parser, suppressed=True)
    return parser


def read_options(command: Command, words: Sequence[str], before: Namespace) -> Namespace:
    """What stands after a command's name. Where words may be any number, options may stand among them."""
    parser = command_parser(command)
    if any(option.positional and option.many for option in command.options):
        return parser.parse_intermixed_args(words, before)
    return parser.parse_args(words, before)


def verb_parser(verb: VerbInfo) -> ArgumentParser:
    """Reads the arguments of a verb that only the daemon knows: required ones in order, others by name."""
    words = verb.name.replace(".", " ")
    parser = ArgumentParser(
        f"{PROGRAM} {words}", description=sentence(verb.summary), formatter_class=_formatter, allow_abbrev=False
    )
    for argument in verb.arguments:
        settings: dict[str, Any] = {"help": argument.help, "default": argument.default}
        if argument.kind == "flag":
            parser.add_argument(f"--{_dashed(argument.name)}", action="store_true", help=argument.help)
            continue
        if argument.kind == "integer":
            settings["type"] = int
        if argument.choices:
            settings["choices"] = argument.choices
        if argument.kind == "list":
            settings["nargs"] = "*"
        if argument.required:
            del settings["default"]
            parser.add_argument(argument.name, **settings)
        else:
            parser.add_argument(f"--{_dashed(argument.name)}", dest=argument.name, **settings)
    _add_globals(parser, suppressed=True)
    return parser


def _dashed(name: str) -> str:
    return name.replace("_", "-")


def _add_globals(parser: ArgumentParser, *, suppressed: bool) -> None:
    group = parser.add_argument_group("global options")
    for option in GLOBAL_OPTIONS:
        default: object = SUPPRESS if suppressed else False if option.kind == "flag" else ""
        if option.kind == "flag":
            group.add_argument(*option.flags, action="store_true", default=default, help=option.help)
        else:
            group.add_argument(*option.flags, metavar="PATH", default=default, help=option.help)


def _add(parser: ArgumentParser, option: Option) -> None:
    if option.kind == "flag":
        parser.add_argument(*option.flags, action="store_true", help=option.help)
        return
    settings: dict[str, Any] = {"help": help_of(option), "default": option.default}
    if option.kind == "integer":
        settings["type"] = int
    if option.choices:
        settings["choices"] = option.choices
    if option.dest:
        settings["dest"] = option.dest
    if option.metavar:
        settings["metavar"] = option.metavar
    if option.positional:
        settings["nargs"] = "*" if option.many else "?" if option.optional else None
    elif option.many:
        settings["action"] = "append"
    parser.add_argument(*option.flags, **settings)


def help_of(option: Option) -> str:
    """What is told of an option, with its choices where its place holder hides them, and its default."""
    text = option.help
    if option.metavar and option.choices and option.choices[0] not in text:
        text = f"{text}: {', '.join(option.choices)}"
    if not option.default or "(default" in text:
        return text
    return f"{text} (default: {option.default})"


def names(commands: Sequence[Command] = COMMANDS) -> list[str]:
    """Every command's name, and the first words of those with two."""
    whole = [command.name for command in commands]
    return [*whole, *dict.fromkeys(name.split()[0] for name in whole if " " in name)]
