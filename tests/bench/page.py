"""The generated part of a page of ``docs/``: written anew between two marks, all else left as it is."""

from collections.abc import Iterable
from pathlib import Path

DOCS = Path(__file__).parents[2] / "docs"
ENDS = "<!-- end of what is generated -->"


def write_between(file: Path, begins: str, lines: Iterable[str]) -> None:
    """Put ``lines`` in place of what was between the marks. Raises ``ValueError`` where there are none."""
    before, mark, rest = file.read_text().partition(begins)
    _, ends, after = rest.partition(ENDS)
    if not (mark and ends):
        raise ValueError(f"{file} has no place for what is generated")
    text = "\n".join(lines).strip("\n")
    file.write_text(f"{before}{begins}\n\n{text}\n\n{ENDS}{after}")
