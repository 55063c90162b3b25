"""Which model is on which card: the words for waiting, loading and what was learned of a host.

A *host* is an upstream that holds few models at once (an Ollama server in front of a card); its name is the
upstream's. All records are frozen: ``residency`` makes them, whoever asks reads them.
"""

from collections.abc import Mapping
from typing import Literal

import msgspec

from lodestard.domain.request import Caller, Request
from lodestard.domain.upstream import Target

Rank = Literal["interactive", "background", "idle"]
"""How urgent work is: somebody waits; nobody waits, but it shall be done; only while there is nothing else."""

Step = Literal["idle", "serving", "draining", "unloading", "loading", "paused", "unreachable"]
"""What a host is at."""


class Ask(msgspec.Struct, frozen=True, kw_only=True):
    """What an attempt wants of a host: a place for ``request`` at ``target``."""

    target: Target
    request: Request
    caller: Caller
    request_id: str = ""


class Wait(msgspec.Struct, frozen=True, kw_only=True):
    """How long until the first token: most likely, and the interval that four in five waits are within. Seconds."""

    likely_s: float
    low_s: float
    high_s: float
    why: str = ""


class Figure(msgspec.Struct, frozen=True):
    """A learned figure: its recent median, the interval that four in five values are within, how many were seen.

    ``count`` 0: nothing was seen, and the values are an assumption.
    """

    value: float
    low: float
    high: float
    count: int = 0


class ModelRates(msgspec.Struct, frozen=True, kw_only=True):
    """What one model takes on one host: seconds, and seconds a token.

    ``prefill_s`` is of tokens that nothing had cached. ``tokens_per_byte``: prompt tokens by bytes of the prompt's
    text; ``answer_tokens``: how long its answers are. ``warm_share``: what is read of a prompt whose conversation is
    cached, as a part of it; ``kin_share``: of one that comes after another one of the same kind of work.
    """

    load_s: Figure
    unload_s: Figure
    prefill_s: Figure
    decode_s: Figure
    tokens_per_byte: Figure
    answer_tokens: Figure
    kin_share: Figure = Figure(1.0, 1.0, 1.0)
    warm_share: Figure = Figure(0.1, 0.02, 0.5)


class LoadedModel(msgspec.Struct, frozen=True, kw_only=True):
    """A model that is in memory, as its server lists it. ``expires_ms`` is unix time, None where it says none.

    ``vram_bytes`` of ``size_bytes`` lie on the card; ``context_tokens`` is 0 where the server does not tell.
    """

    model: str
    size_bytes: int = 0
    vram_bytes: int = 0
    context_tokens: int = 0
    expires_ms: int | None = None
    digest: str = ""


class InstalledModel(msgspec.Struct, frozen=True, kw_only=True):
    """A model that the server has on its disk."""

    model: str
    size_bytes: int = 0
    digest: str = ""


class ModelDetails(msgspec.Struct, frozen=True, kw_only=True):
    """What the server says of one model. Numbers are 0 where it does not tell.

    ``context_tokens`` is the longest that it was trained for.
    """

    model: str
    capabilities: tuple[str, ...] = ()
    context_tokens: int = 0
    layers: int = 0
    kv_heads: int = 0
    embedding_length: int = 0


class PullProgress(msgspec.Struct, frozen=True, kw_only=True):
    """One line about a download: ``done_bytes`` of ``total_bytes`` of the layer that it is at (0: unknown)."""

    status: str
    done_bytes: int = 0
    total_bytes: int = 0
    digest: str = ""


class PlaceState(msgspec.Struct, frozen=True, kw_only=True):
    """A request that waits or runs on a host. ``expected_s``: until its first token, or until its end."""

    request_id: str
    model: str
    state: Literal["waiting", "running"]
    rank: Rank
    for_s: float
    principal: str = ""
    client: str = ""
    task: str = ""
    session: str = ""
    prompt_tokens: int = 0
    expected_s: float | None = None


class ModelState(msgspec.Struct, frozen=True, kw_only=True):
    """A model that a host has in its configuration, in memory or in its queue.

    ``pinned`` is "" (not), "kept" (only requests that somebody waits for may displace it, and it comes back) or
    "exclusive" (nothing displaces it). ``missing``: the server does not have it. ``renewed``: its keep-alive is.
    ``cpu_percent``: how much of it lies outside the card.
    """

    model: str
    resident: bool = False
    pinned: Literal["", "kept", "exclusive"] = ""
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
    rates: ModelRates | None = None
    wait: Wait | None = None


class WaitErrors(msgspec.Struct, frozen=True, kw_only=True):
    """How far predicted waits were off: the median and nine in ten of the absolute errors, in seconds.

    ``within_percent``: how many were within their interval (it aims at 80). None where nothing was seen.
    """

    count: int = 0
    median_s: float | None = None
    p90_s: float | None = None
    within_percent: int | None = None


class HostCounts(msgspec.Struct, frozen=True, kw_only=True):
    """What has happened on a host since the daemon started.

    ``swaps``: loads for requests that took the place of another model; ``speculative``: loads ahead of requests,
    ``speculative_hits`` of them were asked for next. ``unplanned``: loads that the server did on its own.
    ``restarts``: how often the server went away, or lost all at once what it had in memory.
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


class Swap(msgspec.Struct, frozen=True, kw_only=True):
    """A load that has ended. ``left`` is the model whose place it took, empty where there was room.

    ``why`` says what for, in a few words: "a request", "a guess", "warm".
    """

    at_ms: int
    model: str
    left: str = ""
    took_s: float = 0.0
    why: str = ""


class HostState(msgspec.Struct, frozen=True, kw_only=True):
    """A host as it is now.

    ``step_for_s``: how long it has been at ``step``; ``step_left_s``: how much longer, likely. ``reason``: why the
    planner does what it does, in a short line. ``problem``: what a person should know, or empty. ``next_model`` is
    what it thinks will be asked for next, with the ``next_percent`` that it gives to that. ``swaps`` are its last
    loads, the newest last.
    """

    host: str
    step: Step
    reachable: bool | None = None
    version: str = ""
    problem: str = ""
    step_model: str = ""
    step_for_s: float = 0.0
    step_left_s: float | None = None
    reason: str = ""
    paused_until_ms: int | None = None
    resident_models: int = 1
    models: tuple[ModelState, ...] = ()
    places: tuple[PlaceState, ...] = ()
    counts: HostCounts = HostCounts()
    errors: WaitErrors = WaitErrors()
    next_model: str = ""
    next_percent: int | None = None
    swaps: tuple[Swap, ...] = ()
