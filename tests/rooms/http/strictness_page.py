"""Writes ``docs/http-strictness.md`` from the rules: ``make docs-http``.

The page says nothing that is not tested: each row is a rule, and each rule is run by ``test_rules.py``.
"""

import sys
from pathlib import Path

from tests.rooms.http import rfc9110, rfc9112, rfc9112_bodies
from tests.rooms.http.rules import EOF, Rule, Sent

PAGE = Path(__file__).parents[3] / "docs" / "http-strictness.md"
PARTS = (
    ("The message (RFC 9112, section 2)", rfc9112.MESSAGE),
    ("The request line (section 3)", rfc9112.REQUEST_LINE),
    ("The target and its host (section 3.2)", rfc9112.TARGET),
    ("Fields (sections 4, 5 and 8)", rfc9112.FIELDS),
    ("Where a body ends (section 6)", rfc9112_bodies.FRAMING),
    ("Chunks (section 7)", rfc9112_bodies.CHUNKS),
    ("Connections (section 9)", rfc9112_bodies.CONNECTIONS),
    ("What they mean (RFC 9110)", rfc9110.RULES),
)
MOST_SHOWN_BYTES = 64
TOP = """\
# How strict the listener is

*Written by `make docs-http` from `tests/rooms/http/rfc9112.py`, `rfc9112_bodies.py` and `rfc9110.py`; a test fails
when it is out of date.*

The listener takes what RFC 9112 and RFC 9110 allow and nothing else, before any routing. Each row below is a demand
that concerns a server, in our words; what Lodestar does; what comes of it; and bytes that prove it.
`tests/rooms/http/test_rules.py` sends them to the real listener, whole and in portions of seven bytes. After each
comes one more request, which must be answered where the connection goes on, and never be seen where it does not.

Where the RFCs leave a choice, the stricter one was taken. Twice the listener is stricter than they ask:

- a higher minor version (HTTP/1.2, which does not exist) gets a 505 instead of being read as 1.1;
- empty elements in the list of `Transfer-Encoding` are refused instead of being read over.

Once it is more lenient: a path may have `[ ] | ^` in it, and a query `[ ] { } | \\ ^` and the backtick too, because
browsers leave them as they are.

Beyond the RFCs a body is refused that comes in more than 100,000 chunks of less than 64 bytes on average: reading
them would cost far more than sending them.
"""
HEADER = "| RFC | Demanded | Here | Comes to | Proof |\n|---|---|---|---|---|\n"


def write_page() -> str:
    rules = sum(len(part) for _, part in PARTS)
    cases = sum(len(rule.cases) for _, part in PARTS for rule in part)
    tables = [f"## {title}\n\n{HEADER}{''.join(map(_row, part))}" for title, part in PARTS]
    return "\n".join([TOP, f"{rules} rules, {cases} cases.\n", *tables])


def _row(rule: Rule) -> str:
    outcome = " ".join(map(str, rule.want.statuses)) or "no answer"
    if rule.want.closed:
        outcome += ", closed"
    more = f" and {len(rule.cases) - 1} more" if len(rule.cases) > 1 else ""
    cells = [rule.section, rule.demand, rule.ours, outcome, f"{_show(rule.cases[0])}{more}"]
    return f"| {' | '.join(cell.replace('``', '`').replace('|', chr(92) + '|') for cell in cells)} |\n"


def _show(sent: Sent) -> str:
    """A case's bytes as Python writes them, shortened in the middle; portions are told apart by arrows."""
    portions = [sent] if isinstance(sent, bytes) else list(sent)
    return " → ".join("end" if portion == EOF else f"`{_shorten(portion)}`" for portion in portions)


def _shorten(portion: bytes) -> str:
    text = repr(portion)[2:-1].replace("`", "\\\\x60")
    half = MOST_SHOWN_BYTES // 2
    return text if len(text) <= 2 * MOST_SHOWN_BYTES else f"{text[: half * 2]}…{text[-half:]}"


if __name__ == "__main__":
    PAGE.write_text(write_page())
    sys.stdout.write(f"wrote {PAGE}\n")
