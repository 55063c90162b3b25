"""What Aider tells edits by: the three marks of a SEARCH/REPLACE block, the name of its file above it, and fences.

Law: pure, and as generous as Aider (aider-chat 0.86.2, ``editblock_coder``): marks have five to nine signs and may be
indented, another divider ends a block too, and the name is looked for in three lines at most, past fences alone.
"""

import re
from collections.abc import Iterable, Mapping, Sequence

FENCES: Mapping[str, str] = {
    "```": "```",
    "````": "````",
    "<source>": "</source>",
    "<code>": "</code>",
    "<pre>": "</pre>",
    "<codeblock>": "</codeblock>",
    "<sourcecode>": "</sourcecode>",
}
"""What a chat may put around a file, and how each of them closes."""

LOOK_BACK = 3
_HEAD = re.compile(r"<{5,9} SEARCH>?")
_DIVIDER = re.compile(r"={5,9}")
_UPDATED = re.compile(r">{5,9} REPLACE")
_DECORATION = "*`#: "


def is_head(line: str) -> bool:
    """Whether a block begins here."""
    return _HEAD.fullmatch(line.strip()) is not None


def is_divider(line: str) -> bool:
    """Whether the SEARCH text ends here."""
    return _DIVIDER.fullmatch(line.strip()) is not None


def is_end(line: str) -> bool:
    """Whether the REPLACE text ends here."""
    said = line.strip()
    return _UPDATED.fullmatch(said) is not None or _DIVIDER.fullmatch(said) is not None


def find_names(before: Iterable[str]) -> list[str]:
    """What may be the file's name, in the lines before a block: the nearest first."""
    names: list[str] = []
    for line in list(before)[: -LOOK_BACK - 1 : -1]:
        said = line.strip()
        fenced = any(said.startswith(fence) for fence in FENCES)
        name = said.lstrip("`") if fenced else said.strip(_DECORATION)
        if name and name != "..." and not (fenced and (name.startswith("<") or not ("." in name or "/" in name))):
            names.append(name)
        if not fenced:
            break
    return names


def unwrap(lines: Sequence[str], path: str) -> Sequence[str]:
    """A SEARCH or REPLACE text without its file's name and the fence that a model may have put around it.

    The very ``lines`` where there are none.
    """
    if lines and lines[0].strip().endswith(path.rpartition("/")[2]):
        lines = lines[1:]
    fenced = lines and lines[0].startswith(tuple(FENCES)) and lines[-1].startswith(tuple(FENCES.values()))
    return lines[1:-1] if fenced else lines
