"""What a command is: plain data, from which parsers, help and completions are made."""

from typing import Literal, NamedTuple


class Option(NamedTuple):
    """One option (``--by``, ``-n``) or positional (no dash). ``many`` takes any number of words, or may come again.

    ``kind`` model, host and alias are texts for which completions know the daemon's names.

    ``dest`` is the name of its value where the option's own is a word of Python.
    """

    flags: tuple[str, ...]
    help: str
    kind: Literal["text", "integer", "flag", "file", "model", "host", "alias"] = "text"
    choices: tuple[str, ...] = ()
    default: str | int | None = None
    metavar: str = ""
    optional: bool = False
    many: bool = False
    dest: str = ""

    @property
    def positional(self) -> bool:
        return not self.flags[0].startswith("-")


class Command(NamedTuple):
    """``name`` has one or two words. ``module`` is below ``lodestarctl.commands`` and has ``run``."""

    name: str
    summary: str
    module: str
    options: tuple[Option, ...] = ()
