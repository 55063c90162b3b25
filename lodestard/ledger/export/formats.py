"""CSV, JSON and JSON Lines: how a row is written.

Law: what clients wrote is data: quoted as the format wants it, and in CSV never the beginning of a formula, whatever
spreadsheet opens it (owasp.org/www-community/attacks/CSV_Injection). Amounts are integers of nano-USD, and exact
decimals of US dollars beside them. Pure.
"""

from collections.abc import Callable

import msgspec

from lodestard.ledger.export.rows import HEAD, IN_USD, NUMBERS, TEXTS

COLUMNS = (*TEXTS, *(f"{name}_usd" for name in IN_USD), *NUMBERS)
DOLLARS = "%s%d.%09d"
_FORMULA = tuple("=+-@\t\r\n＝＋－＠")  # noqa: RUF001  the wide forms count too
_QUOTED = frozenset('",\r\n')


class Layout(msgspec.Struct, frozen=True):
    """A format: what stands before, between and after the rows; a row's first columns and its numbers, as SQLite's
    ``printf`` writes them; what stands before a text between them, and how that is written.
    """

    head: str
    first: str
    cell: str
    numbers: str
    between: str
    tail: str
    escape: Callable[[str], str]


def csv_cell(text: str) -> str:
    """A cell as RFC 4180 has it; one that a spreadsheet might take for a formula begins with an apostrophe."""
    if text.lstrip(" ").startswith(_FORMULA):
        text = f"'{text}"
    if _QUOTED.isdisjoint(text) and text == text.strip():
        return text
    return '"' + text.replace('"', '""') + '"'


def json_text(text: str) -> str:
    """A string as JSON."""
    return msgspec.json.encode(text).decode()


def _csv() -> Layout:
    return Layout(
        head=",".join(COLUMNS) + "\r\n",
        first=",".join(["%s"] * len(HEAD)),
        cell="",
        numbers=",".join([*[DOLLARS] * len(IN_USD), *["%d"] * len(NUMBERS)]),
        between="\r\n",
        tail="\r\n",
        escape=csv_cell,
    )


def _jsonl() -> Layout:
    first = [f'"{name}":"%s"' for name in HEAD]  # ours: nothing in them to escape
    numbers = [f'"{name}_usd":"{DOLLARS}"' for name in IN_USD] + [f'"{name}":%d' for name in NUMBERS]
    return Layout(
        head="",
        first="{" + ",".join(first),
        cell='"{}":',
        numbers=",".join(numbers) + "}",
        between="\n",
        tail="\n",
        escape=json_text,
    )


LAYOUTS = {
    "csv": _csv(),
    "json": msgspec.structs.replace(_jsonl(), head="[\n", between=",\n", tail="\n]\n"),
    "jsonl": _jsonl(),
}
