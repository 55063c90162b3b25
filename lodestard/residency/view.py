"""A host as the planner sees it: frozen records, and what it decides about them.

Law: plain data. Seconds are of one monotonic clock (trio's); models are named as their server names them. ``urgency``
is a rank as a number: 0 interactive, 1 background, 2 idle.
"""

from collections.abc import Mapping
from math import inf

import msgspec

from lodestard.domain.residency import Rank

INTERACTIVE, BACKGROUND, IDLE = 0, 1, 2
URGENCIES: Mapping[Rank, int] = {"interactive": INTERACTIVE, "background": BACKGROUND, "idle": IDLE}
RANKS: tuple[Rank, ...] = ("interactive", "background", "idle")


class Waiter(msgspec.Struct, frozen=True, kw_only=True):
    """A request in the queue. ``passed``: how many of other models have begun since it came.

    ``conversation`` is what its prompt begins with, as a digest; requests of one conversation share it. ``group`` is
    who asks, within a principal. ``output_tokens`` is its answer's limit, None where it has none. ``brief``: nobody
    wants its answer any more after some seconds (autocomplete), so it is not worth a swap. ``work``: its kind
    (``Asked.work``).
    """

    id: int
    model: str
    urgency: int
    principal: str
    group: str
    conversation: str
    arrived_s: float
    prompt_tokens: int = 0
    output_tokens: int | None = None
    passed: int = 0
    brief: bool = False
    work: str = ""


class Running(msgspec.Struct, frozen=True, kw_only=True):
    """A request that is being answered. ``prompt_tokens`` are those that nothing has cached, as far as is known;
    ``produced_s``: when its first token came, None where it has not or nobody told."""

    id: int
    urgency: int
    principal: str
    conversation: str
    started_s: float
    prompt_tokens: int = 0
    output_tokens: int | None = None
    produced_s: float | None = None
    work: str = ""


class Resident(msgspec.Struct, frozen=True, kw_only=True):
    """A model in memory since ``since_s``. ``begun`` requests have begun on it; the last one ended at ``used_s``, the
    last one that somebody waited for at ``awaited_s``. Until ``unasked_until_s`` nobody is likely to want it again.

    ``cached`` are the conversations whose beginning it still knows, the latest last; ``streak``: how many requests in
    a row were of that one; ``works``: the kinds of the last requests, as many as it answers at once. ``kept``: only
    what somebody waits for displaces it; ``exclusive``: nothing does. ``going``: it was told to go, so it begins
    nothing more.
    """

    model: str
    parallel: int = 1
    running: tuple[Running, ...] = ()
    since_s: float = 0.0
    begun: int = 0
    used_s: float = 0.0
    awaited_s: float = -inf
    unasked_until_s: float = -inf
    cached: tuple[str, ...] = ()
    works: tuple[str, ...] = ()
    streak: int = 0
    kept: bool = False
    exclusive: bool = False
    going: bool = False


class Loading(msgspec.Struct, frozen=True, kw_only=True):
    """A load under way. ``wanted``: somebody waits for it; otherwise it is a guess that may be given up."""

    model: str
    started_s: float
    wanted: bool = True


class Wish(msgspec.Struct, frozen=True, kw_only=True):
    """A model that should be in memory while nobody waits, and why: it goes there with everything idle.

    ``guessed``: somebody may ask for it next, but whoever had the resident model last may come back before.
    """

    model: str
    reason: str
    guessed: bool = False


class Policy(msgspec.Struct, frozen=True, kw_only=True):
    """The figures of ``[residency]`` that the planner goes by; tuples are by urgency.

    ``linger_s``: how long a model stays after its last request that somebody waited for, before autocompletion (the
    first) or less urgent work displaces it. ``grace_s``: how long less urgent work waits after such a request, for
    what follows at once shall find the card free. ``affinity_requests``: how many requests in a row one conversation
    may have while others wait. What is idle has no patience that could end: it never overtakes anybody.
    """

    resident_models: int = 1
    dwell_requests: tuple[int, int, int] = (12, 120, 120)
    dwell_s: tuple[float, float, float] = (20.0, 200.0, inf)
    linger_s: tuple[float, float, float] = (10.0, 30.0, 30.0)
    grace_s: float = 1.0
    patience_s: tuple[float, float, float] = (60.0, 900.0, inf)
    max_wait_s: tuple[float, float, float] = (300.0, 3_600.0, 3_600.0)
    affinity_requests: int = 4


class View(msgspec.Struct, frozen=True, kw_only=True):
    """Everything that a decision goes by.

    ``awaited_s``: when the last request that somebody waited for ended, on whatever model. ``served_s`` is what each
    principal, and each (principal, group), has had of the card lately. ``leaving`` is the model that is being
    unloaded since ``leaving_since_s``, empty where none is; ``displaced`` the one that was unloaded last, until
    something is loaded. ``wish`` is what should be loaded while nobody waits.
    """

    now_s: float
    policy: Policy
    waiters: tuple[Waiter, ...] = ()
    residents: tuple[Resident, ...] = ()
    loading: Loading | None = None
    leaving: str = ""
    leaving_since_s: float | None = None
    displaced: str = ""
    awaited_s: float = -inf
    served_s: Mapping[tuple[str, str], float] = {}
    wish: Wish | None = None


class Decision(msgspec.Struct, frozen=True, kw_only=True):
    """What to do now. ``start``: waiters that begin, in order; ``give_up``: those that have waited too long.

    ``preempt``: running requests that are stopped. ``load`` and ``unload`` name models, empty where nothing of the
    kind is to be done; ``cancel_load`` gives the load under way up. ``wake_s``: look again at this time at the
    latest. ``reason`` is a short line.
    """

    start: tuple[int, ...] = ()
    give_up: tuple[int, ...] = ()
    preempt: tuple[int, ...] = ()
    load: str = ""
    unload: str = ""
    cancel_load: bool = False
    wake_s: float | None = None
    reason: str = ""
