"""What edits make of files, and whether that can still be read. Pure.

Law: an edit applies where Aider would apply it: where its SEARCH text is in the file, word for word or but for the
spaces around its lines.
"""

import ast
import tomllib
import warnings
from collections import Counter
from collections.abc import Hashable, Mapping, Sequence

import msgspec

from lodestard.modules.eval_idle.edits import Blocks

MOST_PARSED_BYTES = 200_000


class Patched(msgspec.Struct, frozen=True):
    """``files`` that were changed, as they are then. ``applied`` of ``total`` edits found their place."""

    files: Mapping[str, str]
    applied: int
    total: int


def apply_blocks(blocks: Blocks, originals: Mapping[str, str]) -> Patched:
    """The files with these blocks in them, as far as they apply."""
    files: dict[str, str] = {}
    applied = 0
    for block in blocks.found:
        path = find_path(block.path, originals)
        content = files.get(path, originals.get(path))
        changed = replace_once(content, block.search, block.replace)
        if changed is not None:
            files[path] = changed
            applied += 1
    return Patched(files, applied, len(blocks.found) + blocks.broken)


def apply_listings(listings: Mapping[str, str], originals: Mapping[str, str]) -> Patched:
    """Whole files take the place of what was there."""
    files = {find_path(path, originals): content for path, content in listings.items()}
    return Patched(files, len(files), len(files))


def find_path(path: str, originals: Mapping[str, str]) -> str:
    """The file that is meant: models drop folders. As it stands where none or several could be."""
    if path in originals:
        return path
    name = path.rpartition("/")[2]
    same = [known for known in originals if known.rpartition("/")[2] == name]
    return same[0] if len(same) == 1 else path


def replace_once(content: str | None, search: str, replace: str) -> str | None:
    """``content`` with its first ``search`` replaced; None where it is not in it."""
    if not search.strip():
        return (content or "") + replace
    if content is None:
        return None
    if search in content:
        return content.replace(search, replace, 1)
    return _replace_lines(content.splitlines(keepends=True), search.splitlines(), replace)


def _replace_lines(lines: list[str], search: Sequence[str], replace: str) -> str | None:
    """The same but for the spaces around lines; what comes in is moved as far as what was found stands off."""
    wanted = [line.strip() for line in search]
    stripped = [line.strip() for line in lines]
    for at in range(len(lines) - len(wanted) + 1):
        if stripped[at : at + len(wanted)] == wanted:
            moved = _moved(replace, _indent(search), _indent(lines[at : at + len(wanted)]))
            return "".join([*lines[:at], moved, *lines[at + len(wanted) :]])
    return None


def _indent(lines: Sequence[str]) -> str:
    first = next((line for line in lines if line.strip()), "")
    return first[: len(first) - len(first.lstrip())]


def _moved(text: str, written: str, meant: str) -> str:
    lines = text.splitlines(keepends=True)
    return "".join(meant + line.removeprefix(written) if line.strip() else line for line in lines)


def changed_lines(files: Mapping[str, str], originals: Mapping[str, str]) -> Counter[Hashable]:
    """What was added and removed, line by line, whatever the spaces around."""
    bag: Counter[Hashable] = Counter()
    for path, content in files.items():
        before, after = _lines(originals.get(path, "")), _lines(content)
        bag.update({(path, "-", line): number for line, number in (before - after).items()})
        bag.update({(path, "+", line): number for line, number in (after - before).items()})
    return bag


def _lines(text: str) -> Counter[str]:
    return Counter(stripped for line in text.splitlines() if (stripped := line.strip()))


def parses(path: str, content: str) -> bool:
    """Whether a file can be read as what its name says; one of a kind that nobody here can read, can."""
    if len(content) > MOST_PARSED_BYTES:
        return True
    try:
        if path.endswith((".py", ".pyi")):
            with warnings.catch_warnings(action="ignore"):  # they would quote the answer
                ast.parse(content)
        elif path.endswith(".json"):
            msgspec.json.decode(content)
        elif path.endswith(".toml"):
            tomllib.loads(content)
    except (SyntaxError, ValueError, RecursionError, MemoryError, msgspec.MsgspecError):
        return False
    return True


def count_broken(files: Mapping[str, str], originals: Mapping[str, str]) -> int:
    """How many files can't be read any more. One that could not be read before is nobody's fault."""
    return sum(
        not parses(path, content) and (path not in originals or parses(path, originals[path]))
        for path, content in files.items()
    )
