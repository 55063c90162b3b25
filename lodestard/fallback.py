"""What leads on from one candidate to the next, and who is asked again. Pure.

Law: what belongs to one candidate alone always leads on (it can't do this, or has no price, or its budget is spent);
what its alias names does; what belongs to the request never does. Asked again is only who has billed nothing.
"""

from collections import deque
from collections.abc import Callable, Iterable, Mapping
from typing import Literal

from lodestard.domain.errors import BudgetFault, CallerFault, CheckFault, Code, Fault, UpstreamFault
from lodestard.domain.reply import Choice, Reply
from lodestard.domain.request import Request
from lodestard.domain.resilience_settings import Condition, Fallback
from lodestard.domain.upstream import Candidate, Target

DEADLINE = "x-lodestar-deadline-s"
MOST_DEADLINE_S = 86_400.0
OVERLOADED = (429, 503, 529)  # 529: Anthropic's own
BASE_S = 0.5
CAP_S = 8.0

CONDITIONS: Mapping[Code, Condition | Literal["budget", "unable"]] = {
    Code.UPSTREAM_TIMEOUT: "timeout",
    Code.SLOW_FIRST_TOKEN: "slow_first_token",
    Code.UPSTREAM_RATE_LIMITED: "rate_limit",
    Code.UPSTREAM_QUOTA: "rate_limit",
    Code.UPSTREAM_BUSY: "rate_limit",
    Code.RATE_LIMITED: "rate_limit",
    Code.CONTEXT_LENGTH_EXCEEDED: "context",
    Code.CHECK_FAILED: "check",
    Code.ANSWER_REFUSED: "refusal",
    Code.BUDGET_REFUSED: "budget",
    Code.LEDGER_UNAVAILABLE: "unable",
    Code.NOT_SUPPORTED: "unable",
    Code.PRICE_UNKNOWN: "unable",
}
"""Under which condition a fault leads on; any other of an upstream is an error."""


def condition_of(fault: Fault) -> str:
    """The name of what leads on; empty where nothing does, whoever is asked next."""
    if isinstance(fault, BudgetFault) and fault.final:
        return ""
    return name_condition(fault.code) if isinstance(fault, UpstreamFault) else CONDITIONS.get(fault.code, "")


def name_condition(code: Code) -> str:
    """The same of an attempt that another one has followed."""
    return CONDITIONS.get(code, "error")


def leads_on(condition: str, fallback: Fallback) -> bool:
    """Whether the next candidate is asked."""
    return condition in ("budget", "unable") or condition in fallback.on


def may_ask_again(fault: Fault) -> bool:
    """Whether who could not take it now may take it later, and has billed nothing."""
    if not isinstance(fault, UpstreamFault) or fault.billed:
        return False
    return fault.code in (Code.UPSTREAM_RATE_LIMITED, Code.UPSTREAM_BUSY) or (
        fault.code is Code.UPSTREAM_ERROR and fault.status in OVERLOADED
    )


def backoff_s(fault: Fault, tries: int, draw: float) -> float:
    """How long to wait before asking again, after so many tries: what was told, and full jitter on top.

    ``draw`` is in [0, 1): so those who were refused together don't come back together.
    """
    return (fault.retry_after_s or 0.0) + draw * min(CAP_S, BASE_S * float(2**tries))


def refusal_of(reply: Reply, request: Request) -> str:
    """Why a whole answer is none, in a few words; empty where it is one."""
    if request.conversation.embedding is not None:
        return ""
    whys = [_refusal(choice) for choice in reply.choices]
    return (whys[0] if all(whys) else "") if whys else "it is empty"


def _refusal(choice: Choice) -> str:
    if choice.finish == "content_filter":
        return "it was filtered"
    if choice.refusal:
        return "the model refused"
    return "" if choice.text or choice.tool_calls else "it is empty"


def refusal_fault(why: str) -> CheckFault:
    return CheckFault(f"The answer is a refusal: {why}.", whole=True, code=Code.ANSWER_REFUSED)


class Line:
    """Who is asked next. Who is passed over comes at the end; where a budget has no room, the spare ones after that.

    ``spare()`` gives one that was not asked yet. ``why_not(target)`` is asked when somebody's turn comes; ``passed``
    are those that it kept back, with its reason.
    """

    def __init__(
        self,
        candidates: Iterable[Candidate],
        why_not: Callable[[Target], str],
        spare: Callable[[], Candidate | None],
    ) -> None:
        self._due = deque(candidates)
        self._late: deque[Candidate] = deque()
        self._why_not = why_not
        self._find_spare = spare
        self._closed = False
        self.passed: list[tuple[Target, str]] = []

    def take(self) -> Candidate | None:
        """The next one; None where nobody is left."""
        while self._due:
            candidate = self._due.popleft()
            if not (self._due or self._late) or not (why := self._why_not(candidate.target)):
                return candidate
            self.passed.append((candidate.target, why))
            self._late.append(candidate)
        return self._late.popleft() if self._late else self._take_spare()

    def take_beside(self, fits: Callable[[Candidate], bool]) -> Candidate | None:
        """The first of those that are due and well that ``fits``, out of its turn."""
        for candidate in self._due:
            if fits(candidate) and not self._why_not(candidate.target):
                self._due.remove(candidate)
                return candidate
        return None

    @property
    def has_more(self) -> bool:
        return bool(self._due or self._late)

    def close(self) -> None:
        """Nobody else is asked."""
        self._due.clear()
        self._late.clear()
        self._closed = True

    def _take_spare(self) -> Candidate | None:
        return None if self._closed else self._find_spare()


def read_deadline_s(text: str | None) -> float:
    """The seconds that a request's header gives it; 0 where it has none. Raises ``CallerFault`` for anything else."""
    if not text:
        return 0.0
    try:
        deadline_s = float(text)
    except ValueError:
        deadline_s = 0.0
    if not 0 < deadline_s <= MOST_DEADLINE_S:
        raise CallerFault(Code.INVALID_REQUEST, f"{DEADLINE} must be seconds, at most a day.", param=DEADLINE)
    return deadline_s
