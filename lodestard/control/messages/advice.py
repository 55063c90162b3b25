"""What the router would do, and what another policy would have done."""

import msgspec

from lodestard.control.envelope import Message
from lodestard.control.messages.configuration import ConfigProblem


class TaskFound(Message, frozen=True):
    """What a request was found to be; ``hardness`` and ``sure`` are in [0, 1]."""

    kind: str
    hardness: float = 0.5
    sure: float = 0.0
    why: str = ""


class RouteCandidate(Message, frozen=True):
    """A model that may answer, with the sum that speaks for it.

    ``quality`` is how likely its answer is good, ``prior`` the same before anything was seen; ``seen`` answers of
    this kind of task were judged. ``cost_nano_usd`` is what it is likely to cost, ``wait_s`` how long until the
    answer is whole, ``first_wait_s`` until its first token, where that can be predicted. ``note``: what stands
    against it.
    """

    target: str
    free: bool = False
    up: bool = True
    quality: float | None = None
    prior: float | None = None
    seen: float = 0.0
    cost_nano_usd: int | None = None
    wait_s: float | None = None
    first_wait_s: float | None = None
    value_nano_usd: int | None = None
    cached_tokens: int = 0
    note: str = ""


class RouteRejection(Message, frozen=True):
    """A model that may not answer, and why."""

    target: str
    reason: str


class RouteAdvice(Message, frozen=True):
    """What would become of a request. ``candidates`` are in the order in which they would be asked.

    ``ordered``: the alias's route stands in its order, and the sums only stand beside it. ``prompt_tokens`` is an
    estimate, ``answer_tokens`` how long the answer is likely to be. ``refusal``: why nobody would be asked.
    """

    alias: str
    reason: str = ""
    task: TaskFound | None = None
    prefer: str = ""
    ordered: bool = False
    rules: tuple[str, ...] = ()
    labels: tuple[str, ...] = ()
    prompt_tokens: int = 0
    answer_tokens: int = 0
    candidates: tuple[RouteCandidate, ...] = ()
    rejected: tuple[RouteRejection, ...] = ()
    refusal: str = ""


class Recommendation(Message, frozen=True):
    """The model to take for a request, of all that are configured; ``route`` has them all, the best first.

    ``enough`` is how likely an answer must be good; ``good_enough`` whether the one that is recommended is. ``why``
    and ``runner_up`` are sentences; ``evidence`` says what the figures are made of.
    """

    route: RouteAdvice
    target: str = ""
    alias: str = ""
    enough: float = 1.0
    good_enough: bool = False
    why: str = ""
    runner_up: str = ""
    evidence: str = ""


class PolicyFigures(Message, frozen=True):
    """What a policy came to over the requests that were replayed.

    ``wait_s`` is the sum of all waits until the answer was whole; ``quality`` the mean of how likely answers were
    good (a proxy: nobody has read them); ``swaps`` changes of model by upstream, as if one fitted at a time.
    """

    requests: int = 0
    free_requests: int = 0
    cost_nano_usd: int = 0
    wait_s: float = 0.0
    quality: float = 0.0
    swaps: dict[str, int] = msgspec.field(default_factory=dict)


class Move(Message, frozen=True):
    """Requests that would have gone elsewhere. ``target`` is empty where nobody would have been asked.

    Qualities are means of the proxy; costs are of all of them.
    """

    source: str
    target: str
    requests: int
    cost_nano_usd: int
    new_cost_nano_usd: int
    quality: float = 0.0
    new_quality: float = 0.0


class BacktestReport(Message, frozen=True):
    """A candidate policy over past requests. ``recorded`` is what the ledger has, ``candidate`` what would have been.

    Of ``requests`` in the time, ``kept`` were answered from the cache or shared and ``failed`` got no answer: both
    stay as they were, in both sums. ``changed`` would have gone elsewhere, ``refused`` nowhere. ``drifted``: the
    running policy itself would choose otherwise now than was recorded. ``hardness_known``: of how many of those that
    were answered afresh it was kept.
    ``notes`` say what can't be known.
    """

    name: str
    since_ms: int
    until_ms: int
    timezone: str = "UTC"
    requests: int = 0
    kept: int = 0
    failed: int = 0
    changed: int = 0
    refused: int = 0
    drifted: int = 0
    hardness_known: int = 0
    recorded: PolicyFigures = PolicyFigures()
    candidate: PolicyFigures = PolicyFigures()
    moves: tuple[Move, ...] = ()
    other_moves: int = 0
    notes: tuple[str, ...] = ()


class BacktestItem(Message, frozen=True):
    """How far a backtest is; its last item has the report, or what is wrong with the configuration."""

    done: int = 0
    total: int = 0
    report: BacktestReport | None = None
    faults: tuple[ConfigProblem, ...] = ()


class ShadowReport(Message, frozen=True):
    """What the shadow policy would have done with the requests since then. ``file`` is empty where there is none now.

    ``looked_at`` requests were judged by it, ``differs`` would have gone elsewhere first.
    """

    file: str = ""
    since_ms: int = 0
    looked_at: int = 0
    differs: int = 0
    cost_nano_usd: int = 0
    shadow_cost_nano_usd: int = 0
    moves: tuple[Move, ...] = ()


class ComparedAnswer(Message, frozen=True):
    """One of two answers to the same question. ``outcome`` is ``ok`` or a code, ``detail`` says more.

    ``first_ms`` is until its first piece came; ``tokens_per_s`` how fast it was written after that.
    """

    model: str
    target: str = ""
    request_id: str = ""
    outcome: str = "ok"
    detail: str = ""
    text: str = ""
    cache: str = ""
    cost_nano_usd: int | None = None
    first_ms: int | None = None
    total_ms: int | None = None
    completion_tokens: int | None = None
    tokens_per_s: float | None = None


class Comparison(Message, frozen=True):
    """Both, in the order in which they are shown. ``vote`` is a, b, tie, or empty where nobody was asked."""

    answers: tuple[ComparedAnswer, ...]
    vote: str = ""
