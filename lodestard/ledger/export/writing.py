"""Rows of the ledger → bytes of a format, in chunks."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from itertools import islice
from typing import cast

from lodestard.domain.ports import Row
from lodestard.ledger.export.formats import Layout
from lodestard.ledger.export.rows import NAMED, PLAIN

ROWS_A_CHUNK = 500
MOST_KEPT = 2_000
Write = Callable[[str], str]


class Kept(dict[str, str]):
    """Texts that recur, written once. Forgets all when there are too many."""

    def __init__(self, write: Write) -> None:
        super().__init__()
        self._write = write

    def __missing__(self, text: str) -> str:
        if len(self) >= MOST_KEPT:
            self.clear()
        value = self[text] = self._write(text)
        return value


def write_rows(rows: Iterable[Row], layout: Layout, hashers: Mapping[str, Write]) -> Iterator[bytes]:
    """The whole export. Names of the columns in ``hashers`` are written by them, others as they are."""
    line = _line_writer(layout, hashers)
    lines = iter(rows)
    yield layout.head.encode()
    before = ""
    while chunk := [line(row) for row in islice(lines, ROWS_A_CHUNK)]:
        yield (before + layout.between.join(chunk)).encode()
        before = layout.between
    yield layout.tail.encode() if before else layout.tail.lstrip().encode()


def _line_writer(layout: Layout, hashers: Mapping[str, Write]) -> Callable[[Row], str]:
    kept = [Kept(_cell_writer(name, layout, hashers.get(name))) for name in (*PLAIN, *NAMED)]

    def line(row: Row) -> str:
        _, _, first, *texts, numbers = cast("tuple[str, ...]", row)
        return ",".join([first, *[known[text] for known, text in zip(kept, texts, strict=True)], numbers])

    return line


def _cell_writer(name: str, layout: Layout, hashed: Write | None) -> Write:
    cell, escape = layout.cell.format(name), layout.escape
    return lambda text: cell + escape(text if hashed is None else hashed(text))
