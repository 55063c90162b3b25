"""The files that Aider shows in its prompts, and where a text occurs in them.

Law: lines are compared without the white space around them, which is at least as generous as Aider is. Time is linear
in the prompt's size. A listing that has edit blocks in it is an example or an old answer, and no file.
Source: Aider's chat format: the path alone on a line, a bare fence, the whole file, the closing fence.
"""

from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence

import msgspec

from lodestard.domain.edit_marks import FENCES, is_head, unwrap
from lodestard.domain.request import Conversation

_ELLIPSIS = "..."


class Spot(msgspec.Struct, frozen=True):
    """Where a text was found: in which file, and in what that file was. ``wrapped``: with something around it."""

    path: str
    text: str
    start: int
    end: int
    wrapped: bool


class ShownFiles:
    """What the prompt shows, as it becomes while blocks are applied."""

    __slots__ = ("_files", "_followed")

    def __init__(self, talk: Conversation) -> None:
        self._followed = True
        self._files: dict[str, list[str]] = {}
        for message in talk.messages:
            if message.role == "user":
                for path, lines in find_listings(message.text.split("\n")):
                    self._files.setdefault(path, []).append(plain(lines))

    def __len__(self) -> int:
        return len(self._files)

    def shows(self, name: str) -> bool:
        """Whether ``name`` is one of them, by its path or by the end of its path, and all are still known."""
        return self._followed and (
            name in self._files or any(path.rsplit("/", 1)[-1] == name for path in self._files)
        )

    def find(self, lines: Sequence[str]) -> Spot | None:
        """Where the lines stand in any of the files, for Aider tries them all."""
        whole = _parts(lines)
        for path, texts in self._files.items():
            bare = unwrap(lines, path)
            for parts in (whole,) if bare is lines else (whole, _parts(bare)):
                for text in texts:
                    if (found := _find_parts(text, parts)) is not None:
                        return Spot(path, text, *found, wrapped=parts is not whole)
        return None

    def apply(self, spot: Spot, searched: Sequence[str], lines: Sequence[str]) -> None:
        """The found text becomes ``lines``. A file of which that can't be told is no longer known."""
        texts = self._files.get(spot.path, [])
        if len(texts) != 1 or texts[0] is not spot.text or any(line.strip() == _ELLIPSIS for line in searched):
            self.forget(spot.path)
            return
        lines = unwrap(lines, spot.path) if spot.wrapped else lines
        written = plain(lines) if any(line.strip() for line in lines) else "\n"
        texts[0] = spot.text[: spot.start] + written + spot.text[spot.end :]

    def forget(self, name: str) -> None:
        """Something was written to it that can't be followed here."""
        for path in [path for path in self._files if path == name or path.rsplit("/", 1)[-1] == name]:
            del self._files[path]
            self._followed = False


def plain(lines: Sequence[str]) -> str:
    """Lines without the white space around them, and without blank ones around them all."""
    stripped = [line.strip() for line in lines]
    first = next((place for place, line in enumerate(stripped) if line), len(stripped))
    last = next((place for place in range(len(stripped) - 1, first - 1, -1) if stripped[place]), first - 1)
    return "\n" + "".join(f"{line}\n" for line in stripped[first : last + 1])


def find_listings(lines: Sequence[str]) -> Iterator[tuple[str, Sequence[str]]]:
    """Path and content of every file that is shown whole."""
    closings: dict[str, list[int]] = {closing: [] for closing in FENCES.values()}
    for place, line in enumerate(lines):
        if line in closings:
            closings[line].append(place)
    place = 1
    while place < len(lines):
        closing, path = FENCES.get(lines[place]), lines[place - 1].strip()
        if closing is None or not path or path in closings:
            place += 1
            continue
        places = closings[closing]
        later = bisect_right(places, place)
        if later == len(places):
            place += 1
            continue
        content = lines[place + 1 : places[later]]
        if not any(map(is_head, content)):
            yield path, content
        place = places[later] + 1


def _parts(lines: Iterable[str]) -> list[str]:
    """What stands between lines of three dots, which stand for anything; without blank ends, as ``plain`` lines."""
    parts: list[list[str]] = [[]]
    for line in lines:
        if line.strip() == _ELLIPSIS:
            parts.append([])
        else:
            parts[-1].append(line)
    return [plain(part) for part in parts if any(line.strip() for line in part)]


def _find_parts(text: str, parts: Sequence[str]) -> tuple[int, int] | None:
    start, end = 0, 0
    for index, part in enumerate(parts):
        found = text.find(part, max(0, end - 1))
        if found < 0:
            return None
        start, end = (found, found + len(part)) if index == 0 else (start, found + len(part))
    return start, end
