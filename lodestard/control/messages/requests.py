"""Single requests, and why they went as they did."""

from lodestard.control.envelope import Message
from lodestard.control.messages.advice import TaskFound
from lodestard.control.messages.feedback import FeedbackRow
from lodestard.control.messages.gpu import Estimate


class RequestRow(Message, frozen=True):
    """One request. ``outcome`` is ``ok`` or a code; ``cost_nano_usd`` is what is charged or still held.

    ``task`` is what it was for; ``switched_from`` the model that had answered its session before, if another one.
    """

    request_id: str
    started_ms: int
    alias: str = ""
    target: str = ""
    outcome: str = ""
    status: int = 0
    cache: str = ""
    stream: bool = False
    attempts: int = 0
    total_ms: int | None = None
    first_piece_ms: int | None = None
    overhead_us: int | None = None
    prompt_tokens: int | None = None
    completion_tokens: int | None = None
    cached_tokens: int | None = None
    reasoning_tokens: int | None = None
    cost_nano_usd: int = 0
    saved_nano_usd: int | None = None
    principal: str = ""
    project: str = ""
    user: str = ""
    session: str = ""
    client: str = ""
    task: str = ""
    switched_from: str = ""


class AttemptRow(Message, frozen=True):
    """One attempt. ``state`` is held, captured, released or unknown; ``price`` says where its price came from.

    ``place_ms``: how long it waited for its place at the host; ``wait_ms``: how long until it was sent. ``wait`` is
    what was thought of its first token beforehand. ``notes``: what was done to it, and how it came to its place.
    ``room_tokens``: how long its answer could get before the context was full.
    """

    target: str
    outcome: str = ""
    state: str = ""
    detail: str = ""
    hold_nano_usd: int = 0
    cost_nano_usd: int = 0
    wait_ms: int | None = None
    first_piece_ms: int | None = None
    total_ms: int | None = None
    prompt_tokens: int | None = None
    completion_tokens: int | None = None
    price: str = ""
    limit_tokens: int | None = None
    place_ms: int | None = None
    notes: tuple[str, ...] = ()
    wait: Estimate | None = None
    room_tokens: int | None = None


class MeritRow(Message, frozen=True):
    """What spoke for a candidate: see ``RouteCandidate``."""

    quality: float = 0.0
    cost_nano_usd: int = 0
    wait_s: float = 0.0
    value_nano_usd: int = 0
    seen: float = 0.0
    cached_tokens: int = 0
    note: str = ""


class CandidateRow(Message, frozen=True):
    """A target that was looked at. ``chosen`` is False for one that was ruled out; ``reason`` says why.

    ``merit`` is what spoke for it, where candidates were weighed.
    """

    target: str
    chosen: bool
    reason: str = ""
    up: bool = True
    predicted_wait_s: float | None = None
    merit: MeritRow | None = None


class ShadowRow(Message, frozen=True):
    """Whom the shadow policy would have asked first, and what this very answer would have cost there."""

    target: str
    differs: bool = False
    cost_nano_usd: int | None = None
    reason: str = ""


class Explanation(Message, frozen=True):
    """All that is known of one request. ``task`` is what it was found to be, where that was looked at.

    ``prefer`` is what was preferred, ``rules`` the rules that fitted, ``labels`` what was put on it. ``feedback``:
    what became of its answers.
    """

    request: RequestRow
    reason: str = ""
    candidates: tuple[CandidateRow, ...] = ()
    attempts: tuple[AttemptRow, ...] = ()
    notes: tuple[str, ...] = ()
    feedback: tuple[FeedbackRow, ...] = ()
    task: TaskFound | None = None
    prefer: str = ""
    rules: tuple[str, ...] = ()
    labels: tuple[str, ...] = ()
    shadow: ShadowRow | None = None


class RequestList(Message, frozen=True):
    """Oldest first."""

    requests: tuple[RequestRow, ...]
