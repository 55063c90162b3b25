"""What a new ``.lodestar.toml`` says, by the kind of project. Pure.

Law: only aliases that the daemon has are named; what is a matter of taste stands there as a comment.
"""

from itertools import pairwise
from typing import NamedTuple

import msgspec

COMMIT = """
[[rules]]
name = "small talk of tools"
when = { task = ["commit", "summary"] }
prefer = "cheap"
"""
SECRETS = """
[[rules]]
name = "keys stay here"
when = { matches = "PRIVATE KEY-----" }
labels = ["lan-only"]
"""
HARD = """
[[rules]]
name = "the hard parts"
when = { task = ["plan", "debug"] }
prefer = "best"
"""
LONG = """
[[rules]]
name = "notebooks are long"
when = { min_prompt_tokens = 6000 }
prefer = "balanced"
"""


class Kind(NamedTuple):
    """``prefer`` for all, and the rules."""

    prefer: str
    tags: tuple[str, ...]
    rules: str


KINDS = {
    "": Kind("balanced", (), COMMIT),
    "web": Kind("balanced", ("web",), COMMIT + SECRETS),
    "cli": Kind("cheap", ("cli",), COMMIT),
    "ml": Kind("balanced", ("ml",), COMMIT + HARD),
    "library": Kind("best", ("library",), COMMIT + HARD),
    "notebook": Kind("fast", ("notebook",), COMMIT + LONG),
}


def write_project(name: str, kind: str, aliases: tuple[str, ...]) -> str:
    """The file's text."""
    chosen = KINDS[kind]
    lines = [
        "# What Lodestar does for this project, once it is trusted: lodestarctl project trust",
        f"name = {quoted(name)}",
        f"prefer = {quoted(chosen.prefer)}    # cheap, balanced, fast or best",
        f"tags = [{', '.join(map(quoted, chosen.tags))}]",
        "",
        "# A limit beside all others; it can only lower what may be spent.",
        '# budget = { usd = 5, window = "month" }',
        "",
        "# Another alias where one is asked for. There are: " + ", ".join(aliases[:12]),
        "# [models]",
        *(f"# {quoted(one)} = {quoted(other)}" for one, other in pairwise(aliases[:2])),
    ]
    return "\n".join(lines) + "\n" + chosen.rules


def quoted(text: str) -> str:
    """A text as TOML: JSON's strings are TOML's."""
    return msgspec.json.encode(text).decode()
