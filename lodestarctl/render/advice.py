"""What the router would do, for people."""

from collections.abc import Iterator

from lodestarctl.render.blocks import Block, Cell, Column, Facts, Heading, Note, Table
from lodestarctl.render.words import UNKNOWN, about, millis, usd, usd_about
from lodestard.control.messages.advice import Recommendation, RouteAdvice, RouteCandidate, TaskFound

CANDIDATE_COLUMNS = (
    Column("model", flexible=True),
    Column("good", "right"),
    Column("prior", "right", spare="wide"),
    Column("seen", "right", spare="narrow"),
    Column("costs about", "decimal"),
    Column("wait", "right"),
    Column("worth", "decimal"),
)
EASY, HARD = 0.35, 0.65
ALL = 1.0
"""Where so much is enough, nothing is: the best was asked for."""


def render_advice(advice: RouteAdvice) -> list[Block]:
    """Who would be asked, in which order, what speaks for each, and who may not."""
    first = advice.candidates[0].target if advice.candidates else "nobody"
    heading = Heading((Cell("Would ask"), Cell(first, "strong" if advice.candidates else "bad")), "nothing was sent")
    return [heading, Facts(tuple(_facts(advice))), *_tables(advice), *_sum_note(advice)]


def _facts(advice: RouteAdvice) -> Iterator[tuple[str, Cell]]:
    yield "Asked for", Cell(advice.alias)
    if advice.refusal:
        yield "Refused", Cell(advice.refusal, "bad")
    if advice.reason:
        yield "Because", Cell(advice.reason)
    if advice.task is not None:
        yield "Task", Cell(task_words(advice.task))
    yield "Size", Cell(f"about {about(advice.prompt_tokens)} tokens in, {about(advice.answer_tokens)} out")
    if advice.prefer:
        yield "Preferred", Cell(advice.prefer)
    if advice.rules:
        yield "Rules", Cell(", ".join(advice.rules))
    if advice.labels:
        yield "Labels", Cell(", ".join(advice.labels))


def task_words(task: TaskFound) -> str:
    """``hard edit (0.71); two files, a stack trace``."""
    word = "easy" if task.hardness < EASY else "hard" if task.hardness > HARD else "middling"
    return f"{word} {task.kind} ({task.hardness:.2f}){f'; {task.why}' if task.why else ''}"


def _tables(advice: RouteAdvice) -> Iterator[Block]:
    if advice.candidates:
        yield Table(CANDIDATE_COLUMNS, [_cells(each) for each in advice.candidates], "In this order")
    for each in advice.candidates:
        if against := "; ".join(_against(each)):
            yield Note(f"{each.target}: {against}", "warn", "!")
    for rejection in advice.rejected:
        yield Note(f"{rejection.target} is ruled out: {rejection.reason}", "dim", "✗")


def _cells(row: RouteCandidate) -> tuple[Cell, ...]:
    return (
        Cell(row.target, "strong"),
        Cell(share_words(row.quality)),
        Cell(share_words(row.prior), "dim"),
        Cell(f"{row.seen:.0f}" if row.seen >= 1 else "-", "dim"),
        Cell("free", "good") if row.free else Cell(usd_about(row.cost_nano_usd)),
        Cell(millis(None if row.wait_s is None else row.wait_s * 1000)),
        Cell(worth_words(row.value_nano_usd)),
    )


def _against(row: RouteCandidate) -> Iterator[str]:
    if not row.up:
        yield "it is down, so it is asked last"
    if row.note:
        yield row.note


def share_words(share: float | None) -> str:
    """``0.934`` → ``93 %``."""
    return UNKNOWN if share is None else f"{100 * share:.0f} %"


def worth_words(nano_usd: int | None) -> str:
    """A value in dollars to a hundredth of a cent; it may be negative."""
    return UNKNOWN if nano_usd is None else f"{'-' if nano_usd < 0 else ''}${abs(nano_usd) / 1e9:.4f}"


def _sum_note(advice: RouteAdvice) -> Iterator[Note]:
    """What else has to be known to read the figures."""
    for each in advice.candidates:
        if each.cached_tokens:
            yield Note(f"{each.target} has read about {about(each.cached_tokens)} of its tokens before.", "dim", "·")
    if advice.ordered and len(advice.candidates) > 1:
        yield Note("This alias's route stands in its order; the figures only stand beside it.", "dim", "·")
    if advice.candidates and not any(each.seen >= 1 for each in advice.candidates):
        yield Note(
            "Nothing was seen yet of such work: how good answers are is assumed by the models' names.", "dim", "·"
        )


def render_recommendation(found: Recommendation) -> list[Block]:
    """The model to take, why, whom it was chosen over, and all the others."""
    if not found.target:
        return render_advice(found.route)
    pairs = [("Why", Cell(found.why))]
    if found.runner_up:
        pairs.append(("Runner-up", Cell(found.runner_up)))
    pairs.append(("Evidence", Cell(found.evidence)))
    if found.route.task is not None:
        pairs.append(("Task", Cell(task_words(found.route.task))))
    if found.alias != found.target:
        pairs.append(("Ask for it as", Cell(found.alias)))
    bet = not found.good_enough and found.enough < ALL
    named = (Cell("Take"), Cell(found.target, "strong"), *((Cell("(a best bet)", "warn"),) if bet else ()))
    heading = Heading(named, _price(found.route.candidates[0]))
    return [heading, Facts(tuple(pairs)), *_tables(found.route)]


def _price(best: RouteCandidate) -> str:
    return "free" if best.free else f"about {usd(best.cost_nano_usd)}"
