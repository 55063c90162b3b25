"""Bills beside the ledger, for people."""

from lodestarctl.render.blocks import Block, Cell, Column, Facts, Note, Table
from lodestarctl.render.words import count, usd
from lodestard.control.messages.reconcile import LookRow, ReconcileReport

COLUMNS = (
    Column("day"),
    Column("upstream", flexible=True),
    Column("ledger", "decimal"),
    Column("billed", "decimal"),
    Column("apart", "decimal"),
    Column("", flexible=True),
)
SIDES = ("prompt_tokens", "completion_tokens")


def render_reconcile(report: ReconcileReport) -> list[Block]:
    """One row a look, with what it means; what could not be seen below."""
    rows = [_row(look) for look in report.looks]
    problems = [Note(f"{problem.upstream}: {problem.what}", "bad", "✗") for problem in report.problems]
    apart = [Note(_tokens(look), "dim", "·") for look in report.looks if look.alarmed and _tokens(look)]
    total = Facts((("Unreconciled", Cell(usd(report.unreconciled_nano_usd), "strong")),))
    return [Table(COLUMNS, rows, empty="No bill was looked at."), *apart, *problems, total]


def _row(look: LookRow) -> tuple[Cell, ...]:
    apart = look.theirs_nano_usd - look.ours_nano_usd
    difference = Cell(usd(apart), "bad" if look.alarmed else "good" if not apart else "")
    words = ["alarm" if look.alarmed else "", "" if look.final else "not final"]
    return (
        Cell(look.day),
        Cell(look.upstream, "strong"),
        Cell(usd(look.ours_nano_usd)),
        Cell(usd(look.theirs_nano_usd)),
        difference,
        Cell(", ".join(word for word in words if word), "bad" if look.alarmed else "dim"),
    )


def _tokens(look: LookRow) -> str:
    """Whether they counted other tokens, or charged another price for the same; empty where nobody knows."""
    detail = look.detail
    pairs = [(detail.get(f"our_{side}"), detail.get(f"their_{side}")) for side in SIDES]
    if any(not isinstance(number, int) for pair in pairs for number in pair):
        return ""
    (ours_in, theirs_in), (ours_out, theirs_out) = pairs
    if pairs[0][0] == pairs[0][1] and pairs[1][0] == pairs[1][1]:
        return f"{look.upstream}, {look.day}: the same tokens, so another price or something that is no model."
    ours = f"{count(int(ours_in or 0))} + {count(int(ours_out or 0))}"
    theirs = f"{count(int(theirs_in or 0))} + {count(int(theirs_out or 0))}"
    return f"{look.upstream}, {look.day}: the ledger has {ours} tokens, they have {theirs}."
