"""What is on the cards: ``gpu``, ``gpu.queue``, and what they are told to do.

Words that may grow (a step, a rank, where figures come from) are plain texts here, so that an older reader can still
show those of a newer daemon.
"""

from collections.abc import Mapping

from lodestard.control.envelope import Message
from lodestard.control.messages.severity import Severity


class Estimate(Message, frozen=True):
    """How long something takes: most likely, and the interval that four in five are within."""

    likely_s: float
    low_s: float
    high_s: float
    why: str = ""


class Learned(Message, frozen=True):
    """A learned figure with its interval, and how many were seen. ``count`` 0: it is an assumption."""

    value: float
    low: float
    high: float
    count: int = 0


class GpuModel(Message, frozen=True):
    """A model of a host. ``pinned`` is empty, kept or exclusive; ``cpu_percent`` of it lie outside the card.

    ``wait``: how long a request that came now would wait for its first token. ``expires_ms``: when its server forgets
    it; ``renewed``: it does not, because that time is put off.
    """

    model: str
    resident: bool = False
    pinned: str = ""
    warm: bool = False
    default: bool = False
    missing: bool = False
    renewed: bool = False
    parallel: int = 1
    running: int = 0
    waiting: int = 0
    context_tokens: int = 0
    size_bytes: int = 0
    vram_bytes: int = 0
    cpu_percent: int | None = None
    expires_ms: int | None = None
    options: Mapping[str, int | float | bool | str] = {}
    load_s: Learned | None = None
    prefill_tokens_per_s: Learned | None = None
    decode_tokens_per_s: Learned | None = None
    wait: Estimate | None = None


class GpuPlace(Message, frozen=True):
    """A request that waits or runs. ``expected_s``: until its first token where it waits, until its end otherwise."""

    request_id: str
    model: str
    state: str
    rank: str
    for_s: float
    principal: str = ""
    client: str = ""
    task: str = ""
    session: str = ""
    prompt_tokens: int = 0
    expected_s: float | None = None


class GpuErrors(Message, frozen=True):
    """How far predicted waits were off. ``within_percent`` were within their interval, which aims at 80."""

    count: int = 0
    median_s: float | None = None
    p90_s: float | None = None
    within_percent: int | None = None


class GpuCounts(Message, frozen=True):
    """What has happened since the daemon's start.

    ``swaps`` are loads that took another model's place, ``speculative`` those ahead of any request, and
    ``speculative_hits`` of them were asked for next. ``unplanned``: loads that the server did on its own.
    """

    loads: int = 0
    swaps: int = 0
    swap_seconds: float = 0.0
    speculative: int = 0
    speculative_hits: int = 0
    cancelled_loads: int = 0
    unplanned: int = 0
    superseded: int = 0
    preempted: int = 0
    given_up: int = 0
    restarts: int = 0


class GpuSwap(Message, frozen=True):
    """A load that has ended: ``left`` is the model whose place it took, empty where there was room."""

    at_ms: int
    model: str
    left: str = ""
    took_s: float = 0.0
    why: str = ""


class GpuFinding(Message, frozen=True):
    """Something that a person should know of a card, and what to do about it."""

    code: str
    severity: Severity
    text: str
    hint: str = ""


class GpuEnergy(Message, frozen=True):
    """What a card has drawn since the daemon's start, in ``measured_s`` seconds. No part of the ledger."""

    watt_seconds: float = 0.0
    measured_s: float = 0.0
    cost: str | None = None
    currency: str = ""


class GpuReading(Message, frozen=True):
    """What a card says of itself. ``state`` is ok, stale or unknown; every figure may be."""

    source: str
    state: str
    problem: str = ""
    age_s: float | None = None
    card: str = ""
    uuid: str = ""
    used_percent: float | None = None
    memory_used_bytes: int | None = None
    memory_total_bytes: int | None = None
    temperature_c: float | None = None
    power_w: float | None = None
    power_limit_w: float | None = None
    clock_mhz: float | None = None
    performance_state: str = ""
    throttled: tuple[str, ...] = ()
    findings: tuple[GpuFinding, ...] = ()
    energy: GpuEnergy | None = None


class GpuHost(Message, frozen=True):
    """A host and its card. ``places`` stand in the order in which they are expected to begin, running ones first.

    ``step`` is idle, serving, draining, unloading, loading, paused or unreachable; ``step_model`` is the model that
    it is about. ``next_model`` is likely to be asked for next, with ``next_percent``. ``swaps`` are the latest, the
    newest last.
    """

    host: str
    step: str
    reachable: bool | None = None
    version: str = ""
    problem: str = ""
    step_model: str = ""
    step_for_s: float = 0.0
    step_left_s: float | None = None
    reason: str = ""
    paused_until_ms: int | None = None
    resident_models: int = 1
    models: tuple[GpuModel, ...] = ()
    places: tuple[GpuPlace, ...] = ()
    counts: GpuCounts = GpuCounts()
    errors: GpuErrors = GpuErrors()
    next_model: str = ""
    next_percent: int | None = None
    swaps: tuple[GpuSwap, ...] = ()
    reading: GpuReading | None = None


class GpuReport(Message, frozen=True):
    """Every host, or the one that was asked for, at ``at_ms``."""

    hosts: tuple[GpuHost, ...]
    at_ms: int = 0


class HostQueue(Message, frozen=True):
    """Who is on a host and who waits, in the order in which they are expected to begin."""

    host: str
    step: str
    reason: str = ""
    places: tuple[GpuPlace, ...] = ()


class GpuQueue(Message, frozen=True):
    hosts: tuple[HostQueue, ...]


class Pinned(Message, frozen=True):
    """A model is pinned, or no more. ``changed`` is False where there was no pin to take back."""

    host: str
    model: str
    pinned: str = ""
    changed: bool = True


class Lent(Message, frozen=True):
    """A card was lent or taken back. ``until_ms``: when it comes back by itself. ``changed``: whether it was lent."""

    host: str
    lent: bool
    until_ms: int | None = None
    changed: bool = True


class UnloadItem(Message, frozen=True):
    """How far an unload is. ``state``: waiting (for ``running`` requests), unloading, or done.

    ``was_loaded`` is False where there was nothing to unload, and None before that is known.
    """

    host: str
    model: str
    state: str
    running: int = 0
    was_loaded: bool | None = None


class WarmItem(Message, frozen=True):
    """How far a load is. ``state``: waiting (behind ``ahead`` requests), draining or unloading (``other`` makes
    room), loading, ready (``took_s``; ``was_loaded``: it was in memory already). ``left_s``: how much longer, likely.
    """

    host: str
    model: str
    state: str
    other: str = ""
    ahead: int = 0
    for_s: float = 0.0
    left_s: float | None = None
    took_s: float | None = None
    was_loaded: bool = False


class PullItem(Message, frozen=True):
    """How far a download is: bytes of all layers that are known of. The last item is ``finished``."""

    host: str
    model: str
    status: str
    done_bytes: int = 0
    total_bytes: int = 0
    bytes_per_s: float | None = None
    left_s: float | None = None
    finished: bool = False
