"""Requests for people: the list, one line of it, and all about one."""

from collections.abc import Iterator

from lodestarctl.render.advice import share_words, task_words, worth_words
from lodestarctl.render.blocks import Block, Cell, Column, Facts, Heading, Note, Table
from lodestarctl.render.feedback import tell_feedback
from lodestarctl.render.waits import estimate
from lodestarctl.render.words import UNKNOWN, about, clean, clip, count, millis, moment, plural, usd, usd_about
from lodestard.control.messages import AttemptRow, CandidateRow, Explanation, RequestRow

COLUMNS = (
    Column("time"),
    Column("id"),
    Column("alias", flexible=True),
    Column("outcome", flexible=True),
    Column("took", "right"),
    Column("tokens", "right"),
    Column("cost", "decimal"),
)
WHO = Column("by", flexible=True)
LOCAL = "local"
SHORT_ID = 8
SOURCES = {"hit": "ok, cached", "shared": "ok, shared"}


def render_requests(rows: list[RequestRow]) -> list[Block]:
    """The latest at the end, where the eye is."""
    named = any(row.principal not in ("", LOCAL) for row in rows)
    columns = (*COLUMNS[:2], WHO, *COLUMNS[2:]) if named else COLUMNS
    return [Table(columns, [_cells(row, named=named) for row in rows], empty="No request yet.")]


def _cells(row: RequestRow, *, named: bool) -> tuple[Cell, ...]:
    return (
        Cell(moment(row.started_ms, "%H:%M:%S"), "dim"),
        Cell(row.request_id[-SHORT_ID:]),
        *((Cell(row.principal or LOCAL),) if named else ()),
        Cell(row.alias, "strong"),
        _outcome(row),
        Cell(millis(row.total_ms)),
        Cell(_tokens(row)),
        Cell(usd(row.cost_nano_usd)),
    )


def _outcome(row: RequestRow) -> Cell:
    """Where the answer came from, if it is a good one; a request under way has no outcome."""
    if not row.outcome:
        return Cell("under way", "dim")
    if row.outcome != "ok":
        return Cell(row.outcome, "bad")
    return Cell(SOURCES.get(row.cache, "ok"), "good")


def _tokens(row: RequestRow) -> str:
    return f"{about(row.prompt_tokens)}+{about(row.completion_tokens)}" if row.prompt_tokens is not None else UNKNOWN


def request_line(row: RequestRow) -> tuple[str, Cell, str]:
    """One line of ``requests -f`` in three parts: before the outcome, the outcome, after it. 80 columns."""
    outcome = _outcome(row)
    head = f"{moment(row.started_ms, '%H:%M:%S')}  {row.request_id[-SHORT_ID:]}  {clip(clean(row.alias), 14):<14}  "
    tail = f"  {millis(row.total_ms):>7} {_tokens(row):>11}  {usd(row.cost_nano_usd)}"
    return clean(head), Cell(f"{clip(clean(outcome.text), 10):<10}", outcome.tone), clean(tail)


def render_explanation(explanation: Explanation) -> list[Block]:
    """Who asked, what was chosen and why, what was tried, and what it cost."""
    row = explanation.request
    heading = Heading(
        (Cell(row.request_id, "strong"), _outcome(row)),
        moment(row.started_ms),
    )
    notes = [Note(text, "dim", "·") for text in explanation.notes]
    notes += map(tell_feedback, explanation.feedback)
    return [
        heading,
        Facts(tuple(_facts(explanation))),
        *_candidates(explanation.candidates),
        *_attempts(explanation.attempts),
        *notes,
    ]


def _facts(explanation: Explanation) -> Iterator[tuple[str, Cell]]:
    row = explanation.request
    yield "Asked for", Cell(f"{row.alias}{', streamed' if row.stream else ''}")
    if explanation.reason:
        yield "Because", Cell(explanation.reason)
    yield from _choice(explanation)
    yield "Answered by", Cell(row.target or "nobody")
    yield "Asked by", Cell(_who(row))
    if row.switched_from:
        yield "Switched", Cell(f"from {row.switched_from}, which answered its session before")
    yield "Cache", Cell(row.cache or "not looked at")
    yield "Tokens", Cell(_all_tokens(row))
    yield "Cost", Cell(usd(row.cost_nano_usd), "strong")
    if row.saved_nano_usd is not None:
        yield "Saved", Cell(usd(row.saved_nano_usd), "good" if row.saved_nano_usd > 0 else "")
    yield "Time", Cell(_times(row))


def _choice(explanation: Explanation) -> Iterator[tuple[str, Cell]]:
    """What it was found to be, and what was wanted of the choice."""
    if explanation.task is not None:
        yield "Task", Cell(task_words(explanation.task))
    if explanation.prefer:
        yield "Preferred", Cell(explanation.prefer)
    if explanation.rules:
        yield "Rules", Cell(", ".join(explanation.rules))
    if explanation.labels:
        yield "Labels", Cell(", ".join(explanation.labels))
    if (shadow := explanation.shadow) is not None:
        other = f"{shadow.target or 'nobody'}, for {usd(shadow.cost_nano_usd)}" if shadow.differs else "the same"
        yield "Shadow", Cell(f"would have asked {other}")


def _who(row: RequestRow) -> str:
    said = [f"{name} {value}" for name, value in _claims(row) if value]
    return ", ".join([row.principal or "local", *said])


def _claims(row: RequestRow) -> tuple[tuple[str, str], ...]:
    return (
        ("client", row.client),
        ("task", row.task),
        ("project", row.project),
        ("user", row.user),
        ("session", row.session),
    )


def _all_tokens(row: RequestRow) -> str:
    cached = f" ({count(row.cached_tokens)} cached)" if row.cached_tokens else ""
    reasoning = f" ({count(row.reasoning_tokens)} reasoning)" if row.reasoning_tokens else ""
    return f"{count(row.prompt_tokens)} in{cached}, {count(row.completion_tokens)} out{reasoning}"


def _times(row: RequestRow) -> str:
    own = f", {row.overhead_us / 1000:.2f} ms of it Lodestar's own" if row.overhead_us is not None else ""
    return f"first piece after {millis(row.first_piece_ms)}, {millis(row.total_ms)} in all{own}"


def _candidates(rows: tuple[CandidateRow, ...]) -> list[Block]:
    if not rows:
        return []
    if any(row.merit is not None for row in rows):
        return [_weighed(rows)]
    columns = (Column("model", flexible=True), Column("state"), Column("wait", "right"), Column("why", flexible=True))
    table = [
        (
            Cell(row.target, "strong" if row.chosen else "dim"),
            Cell(*(("ruled out", "warn") if not row.chosen else ("up", "good") if row.up else ("down", "bad"))),
            Cell(millis(None if row.predicted_wait_s is None else row.predicted_wait_s * 1000)),
            Cell(row.reason),
        )
        for row in rows
    ]
    return [Table(columns, table, "Candidates")]


def _weighed(rows: tuple[CandidateRow, ...]) -> Table:
    """What spoke for each of them."""
    columns = (
        Column("model", flexible=True),
        Column("state"),
        Column("good", "right"),
        Column("seen", "right", spare="narrow"),
        Column("cost", "decimal"),
        Column("wait", "right"),
        Column("worth", "decimal"),
        Column("why", flexible=True),
    )
    return Table(columns, [_weighed_row(row) for row in rows], "Candidates")


def _weighed_row(row: CandidateRow) -> tuple[Cell, ...]:
    merit = row.merit
    state = Cell(*(("ruled out", "warn") if not row.chosen else ("up", "good") if row.up else ("down", "bad")))
    if merit is None:
        return (Cell(row.target, "dim"), state, *[Cell(UNKNOWN)] * 5, Cell(row.reason))
    return (
        Cell(row.target, "strong"),
        state,
        Cell(share_words(merit.quality)),
        Cell(f"{merit.seen:.0f}" if merit.seen >= 1 else UNKNOWN, "dim"),
        Cell("free", "good") if row.reason == "free" else Cell(usd_about(merit.cost_nano_usd)),
        Cell(millis(merit.wait_s * 1000)),
        Cell(worth_words(merit.value_nano_usd)),
        Cell(merit.note or ("" if row.reason == "free" else row.reason), "warn"),
    )


def _attempts(rows: tuple[AttemptRow, ...]) -> list[Block]:
    columns = (
        Column("model", flexible=True),
        Column("outcome", flexible=True),
        Column("state"),
        Column("waited", "right"),
        Column("took", "right"),
        Column("held", "decimal"),
        Column("cost", "decimal"),
    )
    table = [
        (
            Cell(row.target, "strong"),
            Cell(row.outcome, "good" if row.outcome == "ok" else "bad"),
            Cell(row.state),
            Cell(millis(row.wait_ms)),
            Cell(millis(row.total_ms)),
            Cell(usd(row.hold_nano_usd)),
            Cell(usd(row.cost_nano_usd)),
        )
        for row in rows
    ]
    details = [Note(f"{row.target}: {row.detail}", "warn", "!") for row in rows if row.detail]
    told = [
        Note(f"{row.target}: {text}" if len(rows) > 1 else text, "dim", "·") for row in rows for text in _told(row)
    ]
    return [Table(columns, table, "Attempts", empty="No upstream was asked."), *details, *told]


def _told(row: AttemptRow) -> Iterator[str]:
    """How it came to its place, whether that was foreseen, and what became of it there."""
    yield from row.notes
    if row.wait is not None:
        took = ""
        if row.wait_ms is not None and row.first_piece_ms is not None:
            took = f". It came after {millis(row.wait_ms + row.first_piece_ms)}"
        why = f": {row.wait.why}" if row.wait.why else ""
        yield f"its first token was expected after {estimate(row.wait)}{why}{took}"
    if row.room_tokens is not None:
        yield f"the context had room for {plural(row.room_tokens, 'token')} of answer"
