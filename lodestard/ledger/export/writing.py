"""Rows of the ledger → bytes of a format, in chunks."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from itertools import islice

from lodestard.domain.ports import Row
from lodestard.ledger.export.formats import Layout
from lodestard.ledger.export.rows import HEAD, NAMED, PLAIN

ROWS_A_CHUNK = 500
MOST_KEPT = 20_000
_FIRST = 2  # after what only the reader needs
_PLAIN = slice(_FIRST + len(HEAD), _FIRST + len(HEAD) + len(PLAIN))
_NAMED = slice(_PLAIN.stop, _PLAIN.stop + len(NAMED))
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
    template, escape = layout.texts, layout.escape
    plain = Kept(escape)
    kept = [plain] * len(PLAIN) + [
        Kept(_through(hashers[name], escape)) if name in hashers else plain for name in NAMED
    ]

    def line(row: Row) -> str:
        texts: list[str] = [known[text] for known, text in zip(kept, row[_PLAIN.start : _NAMED.stop])]  # type: ignore[index]  # noqa: B905
        return template % (*row[_FIRST : _PLAIN.start], *texts) + row[-1]  # type: ignore[operator]

    return line


def _through(hashed: Write, escape: Write) -> Write:
    return lambda name: escape(hashed(name))
