"""``lodestarctl models compare A B``: the same question to two models at once, their answers side by side.

Law: each is asked as anybody asks, so with its budget and a row in the ledger; one that is refused is shown as such.
What a vote says goes to the daemon only where it takes feedback.
"""

import random
import time
from threading import Thread

import msgspec
from msgspec.structs import replace

from lodestarctl import exit_codes
from lodestarctl.folder import work_folder
from lodestarctl.progress import Progress
from lodestarctl.question import read_prompt
from lodestarctl.render.compare import progress_line, render_comparison
from lodestarctl.session import Session
from lodestarctl.usage import UsageError
from lodestard.control.client import ControlClient, ControlError, DaemonNotRunning, read_data
from lodestard.control.messages import AskItem, Explanation, Refusal
from lodestard.control.messages.advice import ComparedAnswer, Comparison

VERB = "models.compare"
FEEDBACK = "feedback.give"
TICK_S = 0.1
VOTES = ("a", "b", "tie")


def run(session: Session) -> int:
    args = session.args
    if args.blind and (session.output.json or not session.stdin.isatty() or args.prompt == ["-"]):
        raise UsageError("--blind asks you which is better, and there is nobody to ask")
    prompt = read_prompt(session)
    models = shuffled(args.a, args.b) if args.blind else (args.a, args.b)
    comparison = Comparison(answers=_ask_both(session, models, prompt))
    voted = args.blind and all(answer.outcome == "ok" for answer in comparison.answers)
    if voted:
        comparison = _vote(session, comparison)
    data = msgspec.Raw(msgspec.json.encode(comparison))
    width = session.output.width
    session.show(VERB, data, Comparison, lambda read: render_comparison(read, width, texts=not voted))
    failed = [answer.outcome for answer in comparison.answers if answer.outcome != "ok"]
    return exit_codes.exit_code_of(failed[0]) if failed else exit_codes.OK


def shuffled(first: str, second: str) -> tuple[str, str]:
    """In an order that nobody knows beforehand."""
    return (first, second) if random.random() < 0.5 else (second, first)  # noqa: S311 - no secret hangs on it


class Asking(Thread):
    """One model's answer as it comes. ``text`` grows until the thread ends."""

    def __init__(self, client: ControlClient, model: str, prompt: str) -> None:
        super().__init__(daemon=True)
        self.model = model
        self.text = ""
        self.first_s: float | None = None
        self.refusal: Refusal | None = None
        self.broken: DaemonNotRunning | UnicodeError | None = None
        self.last = AskItem()
        self.ended_s = 0.0
        self._client = client
        self._arguments = {"question": prompt, "model": model, "folder": work_folder()}
        self._began_s = time.monotonic()

    def run(self) -> None:
        try:
            for data in self._client.stream("ask", self._arguments):
                self._hear(read_data(data, AskItem))
        except ControlError as error:
            self.refusal = error.refusal
        except (DaemonNotRunning, UnicodeError) as error:
            self.broken = error
        self.ended_s = time.monotonic() - self._began_s

    def _hear(self, item: AskItem) -> None:
        if self.first_s is None and (item.text or item.reasoning):
            self.first_s = time.monotonic() - self._began_s
        self.text += item.text
        self.last = item

    def answer(self) -> ComparedAnswer:
        """What came of it, by this end's clock; the ledger's figures are laid over it."""
        first_ms = None if self.first_s is None else round(1000 * self.first_s)
        bare = ComparedAnswer(
            model=self.model, text=self.text, first_ms=first_ms, total_ms=round(1000 * self.ended_s)
        )
        if self.refusal is not None:
            return replace(bare, outcome=self.refusal.code, detail=self.refusal.message)
        last = self.last
        return replace(
            bare,
            target=last.target,
            request_id=last.request_id,
            cache=last.cache,
            cost_nano_usd=last.cost_nano_usd,
        )


def _ask_both(session: Session, models: tuple[str, str], prompt: str) -> tuple[ComparedAnswer, ...]:
    """Both at once. What comes is counted for whoever waits, and shown when both are whole."""
    askings = [Asking(session.client, model, prompt) for model in models]
    progress = Progress(session.output)
    for asking in askings:
        asking.start()
    try:
        while any(asking.is_alive() for asking in askings):
            askings[0 if askings[0].is_alive() else 1].join(TICK_S)
            told = [
                ("AB"[at] if session.args.blind else each.model, len(each.text)) for at, each in enumerate(askings)
            ]
            progress.tell(progress_line(told), "compare")
    finally:
        progress.end()
    for asking in askings:
        if asking.broken is not None:
            raise asking.broken
    return tuple(_with_figures(session, asking.answer()) for asking in askings)


def _with_figures(session: Session, answer: ComparedAnswer) -> ComparedAnswer:
    """The ledger's own figures, where it has a row: an answer that was paid for is shown without them too."""
    if not answer.request_id:
        return answer
    try:
        row = session.client.ask("explain", {"id": answer.request_id}, Explanation).request
    except ControlError:
        return answer
    writing_ms = (row.total_ms or 0) - (row.first_piece_ms or 0)
    fast = row.completion_tokens is not None and writing_ms > 0 and row.cache not in ("hit", "shared")
    return replace(
        answer,
        cost_nano_usd=row.cost_nano_usd,
        first_ms=row.first_piece_ms,
        total_ms=row.total_ms,
        completion_tokens=row.completion_tokens,
        tokens_per_s=round((row.completion_tokens or 0) * 1000 / writing_ms, 1) if fast else None,
    )


def _vote(session: Session, comparison: Comparison) -> Comparison:
    """Show them without their names, and ask. The better one is told good, the other bad; a tie tells nothing."""
    hidden = tuple(
        ComparedAnswer(model=name, text=answer.text, outcome=answer.outcome)
        for name, answer in zip("AB", comparison.answers, strict=True)
    )
    session.output.show(render_comparison(Comparison(answers=hidden), session.output.width))
    vote = ""
    while vote not in VOTES:
        session.output.stderr.write("Which is better? [a/b/tie] ")
        session.output.stderr.flush()
        line = session.stdin.readline()
        if not line:
            return comparison
        vote = line.strip().lower()
    _tell(session, comparison, vote)
    return replace(comparison, vote=vote)


def _tell(session: Session, comparison: Comparison, vote: str) -> None:
    if vote == "tie" or FEEDBACK not in {verb.name for verb in session.client.verbs()}:
        return
    for name, answer in zip("ab", comparison.answers, strict=True):
        if answer.request_id:
            verdict = "good" if name == vote else "bad"
            session.client.call(FEEDBACK, {"id": answer.request_id, "verdict": verdict})
