"""lodestard(8), from its option parser, and lodestard.toml(5), from ``docs/configuration.md``."""

import argparse
from collections.abc import Iterator
from pathlib import Path

from command_pages import facts, name_of, see_also, spelt, synopsis
from facts import DAEMON_ENVIRONMENT, DAEMON_EXITS, DAEMON_SIGNALS, FILES
from markdown import convert
from roff import bold, italic, literal, prose, tagged

from lodestard import __main__ as program

PAGE = Path(__file__).parents[2] / "docs/configuration.md"
EXAMPLES = (
    ("Try it, without a key or a GPU:", "lodestard --demo"),
    ("Check a configuration:", "lodestard --config lodestard.toml --check"),
    ("Serve by it:", "lodestard --config lodestard.toml"),
    ("Does a copy of the ledger add up?", "lodestard --verify-ledger copy.db"),
)
MARKED = "Keys marked **↻** take effect at the next start only."
SAID = "A key that takes effect at the next start only says so."
MINIMAL = """\
[upstreams.t600]
dialect = "ollama"
url = "http://192.168.1.50:11434"
free = true

[models.local-llama]
route = ["t600/llama3.1:8b"]""".splitlines()


def write_daemon() -> Iterator[str]:
    """lodestard(8)."""
    parser = program.option_parser()
    actions = [action for action in parser._actions if action.dest != "help"]  # it has no other list
    yield from name_of("lodestard", "a gateway for language models")
    yield from [*synopsis("lodestard", [f"[{_spelt(action)}]" for action in actions]), ".SH DESCRIPTION"]
    yield from prose(f"{parser.description} {parser.epilog}")
    yield from [".PP", *prose("Logs go to standard error, one line a record, or to the journal with their fields.")]
    yield from [".SH OPTIONS", *tagged((_spelt(action), prose(action.help or "")) for action in actions)]
    yield from [".SH SIGNALS", *facts(DAEMON_SIGNALS)]
    statuses = [(bold(str(getattr(program, name))), prose(text)) for name, text in DAEMON_EXITS]
    yield from [".SH EXIT STATUS", *tagged(statuses)]
    yield from [".SH ENVIRONMENT", *facts(DAEMON_ENVIRONMENT)]
    yield from [".PP", *prose("The configuration may name further variables that hold keys.")]
    yield from [".SH FILES", *facts(FILES), ".SH EXAMPLES"]
    for number, (what, line) in enumerate(EXAMPLES):
        yield from [*([".PP"] if number else []), *prose(what), *literal([line])]
    yield from see_also([("lodestarctl", 1), ("systemctl", 1), ("lodestard.toml", 5), ("systemd.exec", 5)])


def _spelt(action: argparse.Action) -> str:
    flag, value = action.option_strings[0], action.metavar if isinstance(action.metavar, str) else ""
    return f"{bold(flag)}\\ [{italic(value)}]" if action.nargs == "?" else spelt(flag, value)


def write_configuration() -> Iterator[str]:
    """lodestard.toml(5)."""
    text = PAGE.read_text("utf-8").replace(MARKED, SAID)
    files = [fact for fact in FILES if fact[0].endswith(".toml")]
    yield from [*name_of("lodestard.toml", "configuration of Lodestar"), ".SH DESCRIPTION", *convert(text)]
    yield from [".SH FILES", *facts(files)]
    yield from [".SH EXAMPLES", "A whole configuration with one free model:", *literal(MINIMAL)]
    yield from see_also([("lodestarctl", 1), ("lodestarctl-config-check", 1), ("lodestard", 8)])
