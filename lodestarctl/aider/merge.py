"""How a file of Aider's is laid over one that is there. Pure.

Law: nothing that a person wrote is lost. What is missing is added; what is there and says otherwise stands, unless
``force``; a file that is not ours is not touched at all, unless ``force``.
"""

import re
from typing import Literal, NamedTuple

import msgspec

from lodestarctl.aider.files import CONF, MARK, METADATA, SETTINGS

Outcome = Literal["new", "same", "changed", "differs", "foreign"]
"""``changed`` may be written; ``differs`` and ``foreign`` are refused."""

_STARTS = {CONF: re.compile(r"([A-Za-z0-9_-]+):"), SETTINGS: re.compile(r"- name:\s*[\"']?([^\"'\s]+)")}


class Laid(NamedTuple):
    """What becomes of one file. ``text`` is what it would say."""

    name: str
    outcome: Outcome
    before: str
    text: str


def lay(name: str, before: str | None, wanted: str, *, force: bool) -> Laid:
    """``wanted`` over ``before`` (None where there is no such file)."""
    if before is None or not before.strip():
        return Laid(name, "new", "", wanted)
    merged = merge_metadata(before, wanted) if name == METADATA else merge_yaml(name, before, wanted)
    if merged is None:
        return Laid(name, "changed" if force else "foreign", before, wanted)
    text, gave_way = merged
    if text == before:
        return Laid(name, "same", before, text)
    return Laid(name, "differs" if gave_way and not force else "changed", before, text)


def merge_yaml(name: str, before: str, wanted: str) -> tuple[str, bool] | None:
    """By the top-level entries, whose lines are kept as they are.

    Gives the two together and whether something had to give way; None where what is there is not ours.
    """
    if before.splitlines()[0].strip() != MARK:
        return None
    _, ours = split_entries(name, wanted)
    head, theirs = split_entries(name, before)
    gave_way = any(key in theirs and bare(theirs[key]) != bare(text) for key, text in ours.items())
    kept = {key: ours[key] if key in ours and bare(text) != bare(ours[key]) else text for key, text in theirs.items()}
    return _join(head, kept, ours), gave_way


def _join(head: str, kept: dict[str, str], ours: dict[str, str]) -> str:
    """What is there in its order, then what was missing."""
    entries = [*kept.values(), *(text for key, text in ours.items() if key not in kept)]
    return "".join([head, *(text if text.endswith("\n") else f"{text}\n" for text in entries)])


def split_entries(name: str, text: str) -> tuple[str, dict[str, str]]:
    """What stands before the first entry, and each entry's lines by its key."""
    start = _STARTS[name]
    head, entries, key = "", dict[str, str](), ""
    for line in text.splitlines(keepends=True):
        if match := start.match(line):
            key = match[1]
            entries[key] = entries.get(key, "") + line
        elif key:
            entries[key] += line
        else:
            head += line
    return head, entries


def bare(text: str) -> list[str]:
    """An entry without comments and empty lines: what it says."""
    lines = [line.rstrip() for line in text.splitlines()]
    return [line for line in lines if line and not line.lstrip().startswith("#")]


def merge_metadata(before: str, wanted: str) -> tuple[str, bool] | None:
    """By the models' names; as ``merge_yaml``."""
    try:
        theirs = msgspec.json.decode(before, type=dict[str, object])
    except msgspec.DecodeError:
        return None
    ours = msgspec.json.decode(wanted, type=dict[str, object])
    gave_way = any(key in theirs and theirs[key] != value for key, value in ours.items())
    merged = {**theirs, **ours}
    if merged == theirs:
        return before, False
    return msgspec.json.format(msgspec.json.encode(merged), indent=2).decode() + "\n", gave_way
