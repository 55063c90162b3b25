"""Who begins, who goes and who comes: one pure function from a host's frozen view to what is done now.

Law: total, deterministic, and asked again after every event and at ``wake_s``; it plans one step, never a sequence.
In this order: whoever has waited too long is sent away; the most pressing request for a model that is not in memory
picks that model; the model that would have to go for it decides whether its own turn is over; what may begin, begins.

A turn is over when somebody overdue waits for another model; when nobody as urgent is left in its own queue (at once
for whoever waits at a screen, after ``linger_s`` for background work and for what is stale in seconds); or when a
request as urgent for another model has waited through the dwell, which begins when that request comes or when the
model does, whichever is later: each model gets a turn of a length that is worth a swap. Overdue requests are served
strictly in the order of their arrival, whatever their model: that is what bounds every wait.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from lodestard.residency.view import BACKGROUND, IDLE, INTERACTIVE, Decision, Resident, View, Waiter

NEVER = float("inf")


def decide(view: View) -> Decision:
    """What to do now."""
    given_up = frozenset(waiter.id for waiter in view.waiters if is_late(waiter, view))
    queue = tuple(waiter for waiter in view.waiters if waiter.id not in given_up)
    wanted = choose_wanted(queue, view)
    turn = choose_turn(queue, wanted, view)
    started = tuple(start_waiters(queue, turn, view))
    rest = tuple(waiter for waiter in queue if waiter.id not in started)
    # Whoever begins now is at work: nothing is moved for a wish meanwhile.
    busy = frozenset(waiter.model for waiter in queue if waiter.id in started)
    move = choose_move(rest, turn, busy, view)
    return Decision(
        start=started,
        give_up=tuple(sorted(given_up)),
        preempt=tuple(preempt(rest, view)),
        load=move.load,
        unload=move.unload,
        cancel_load=move.cancel_load,
        wake_s=wake_at(rest, (turn.until_s, move.until_s), view),
        reason=move.reason,
    )


def is_late(waiter: Waiter, view: View) -> bool:
    """Whether it has waited as long as anybody may."""
    return view.now_s >= waiter.arrived_s + view.policy.max_wait_s[waiter.urgency]


def is_overdue(waiter: Waiter, view: View) -> bool:
    """Whether its patience is over, so that nothing that came later overtakes it."""
    return view.now_s >= waiter.arrived_s + view.policy.patience_s[waiter.urgency]


def arrival(waiter: Waiter) -> tuple[float, int]:
    """The order in which they came; of those that came at once the lower number is the earlier one."""
    return (waiter.arrived_s, waiter.id)


def pressing(waiter: Waiter, view: View) -> tuple[bool, int, bool, bool, float, int]:
    """The order in which waiters pick a model: overdue ones by arrival, then the most urgent by arrival.

    A model whose turn was over has just gone for another one; its own requests do not fetch it back before that.
    """
    if is_overdue(waiter, view):
        return (False, 0, False, False, waiter.arrived_s, waiter.id)
    return (True, waiter.urgency, waiter.brief, waiter.model == view.displaced, waiter.arrived_s, waiter.id)


def choose_wanted(queue: tuple[Waiter, ...], view: View) -> Waiter | None:
    """The most pressing request whose model is neither in memory nor on its way there."""
    there = {resident.model for resident in view.residents}
    if view.loading is not None:
        there.add(view.loading.model)
    outside = [waiter for waiter in queue if waiter.model not in there]
    return min(outside, key=lambda waiter: pressing(waiter, view), default=None)


# -- whose turn ----------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Turn:
    """What the resident that would have to go does meanwhile.

    ``victim`` is None where nothing has to go. ``over``: it begins nothing more but what is overdue and came before
    ``wanted``. ``until_s``: when its turn ends, if nothing happens before.
    """

    wanted: Waiter | None = None
    victim: Resident | None = None
    over: bool = False
    until_s: float = NEVER


def choose_turn(queue: tuple[Waiter, ...], wanted: Waiter | None, view: View) -> Turn:
    """Whether a resident's turn is over for ``wanted``."""
    if wanted is None or has_room(view):
        return Turn(wanted)
    victim = choose_victim(queue, view)
    if victim is None:
        return Turn(wanted)
    own = [waiter for waiter in queue if waiter.model == victim.model]
    until_s = turn_ends(victim, own, wanted, view)
    return Turn(wanted, victim, over=view.now_s >= until_s, until_s=until_s)


def has_room(view: View) -> bool:
    """Whether one more model may be in memory."""
    taken = len(view.residents) + (view.loading is not None) + bool(view.leaving)
    return taken < view.policy.resident_models


def choose_victim(queue: tuple[Waiter, ...], view: View) -> Resident | None:
    """Which resident would be missed least; None where none may go, or one goes already."""
    if view.leaving or view.loading is not None:
        return None
    asked = {waiter.model: waiter.urgency for waiter in sorted(queue, key=lambda waiter: -waiter.urgency)}
    return min(
        (resident for resident in view.residents if not resident.exclusive),
        key=lambda resident: (
            resident.kept,
            -asked.get(resident.model, IDLE + 1),
            len(resident.running),
            resident.used_s,
            resident.model,
        ),
        default=None,
    )


def turn_ends(victim: Resident, own: list[Waiter], wanted: Waiter, view: View) -> float:
    """When the turn of ``victim`` is over for ``wanted``, as things are now. ``own`` waits for ``victim``."""
    overdue_s = wanted.arrived_s + view.policy.patience_s[wanted.urgency]
    first = min((arrival(waiter) for waiter in own if is_overdue(waiter, view)), default=None)
    if first is not None and (first < arrival(wanted) or not victim.begun):
        return NEVER  # who came before is served first, and whoever it was loaded for
    if first is not None and view.now_s < overdue_s:
        return overdue_s
    return min(overdue_s, patient_turn_ends(victim, own, wanted, view))


def patient_turn_ends(victim: Resident, own: list[Waiter], wanted: Waiter, view: View) -> float:
    """The same while nobody is overdue."""
    policy, urgency = view.policy, wanted.urgency
    if victim.kept and urgency > INTERACTIVE:
        return NEVER
    rivals = [waiter.urgency for waiter in own if (waiter.urgency, waiter.brief) <= (urgency, False)]
    if urgency == IDLE and (rivals or victim.running):
        return NEVER
    if not rivals:
        unhurried = wanted.brief or urgency >= BACKGROUND
        return lingers_until_s(victim, urgency, view) if unhurried else view.now_s
    if min(rivals) < urgency or wanted.brief:
        return NEVER
    if min(wanted.passed, victim.begun) >= policy.dwell_requests[urgency]:
        return view.now_s
    return max(wanted.arrived_s, victim.since_s) + policy.dwell_s[urgency]


def lingers_until_s(resident: Resident, urgency: int, view: View) -> float:
    """Until when it stays for whoever had it last and may come back; no longer where nobody is likely to so soon."""
    linger_s = view.policy.linger_s[urgency]
    if any(running.urgency == INTERACTIVE for running in resident.running):
        return view.now_s + linger_s
    over_s = resident.awaited_s + linger_s
    return resident.awaited_s if resident.unasked_until_s >= over_s else over_s


# -- who begins ----------------------------------------------------------------------------------------------------


def start_waiters(queue: tuple[Waiter, ...], turn: Turn, view: View) -> Iterator[int]:
    """Who begins now, best first, on every resident with a free place."""
    pressed = any(waiter.urgency < IDLE for waiter in queue)
    breathing = view.now_s < view.awaited_s + view.policy.grace_s
    for resident in view.residents:
        if resident.model == view.leaving or resident.going:
            continue
        free = resident.parallel - len(resident.running)
        own = [waiter for waiter in queue if waiter.model == resident.model and may_start(waiter, turn, view)]
        if pressed:
            own = [waiter for waiter in own if waiter.urgency < IDLE]
        if breathing:
            own = [waiter for waiter in own if waiter.urgency == INTERACTIVE or is_overdue(waiter, view)]
        own.sort(key=lambda waiter: start_order(waiter, resident, view))
        yield from (waiter.id for waiter in own[: max(0, free)])


def may_start(waiter: Waiter, turn: Turn, view: View) -> bool:
    """Whether its model's turn lets it begin: once somebody overdue waits, only what is overdue and came before.

    What has just been loaded for somebody overdue serves him all the same: a load is never for nothing.
    """
    if turn.wanted is None or turn.victim is None or turn.victim.model != waiter.model:
        return True
    if is_overdue(turn.wanted, view):
        before = arrival(waiter) < arrival(turn.wanted) or not turn.victim.begun
        return is_overdue(waiter, view) and before
    return not turn.over


def start_order(waiter: Waiter, resident: Resident, view: View) -> tuple[bool, float, int, bool, float, float, float]:
    """Overdue first, by arrival; then the most urgent; then the cached conversation; then whoever had least."""
    overdue = is_overdue(waiter, view)
    known = bool(waiter.conversation) and waiter.conversation in resident.cached
    return (
        not overdue,
        waiter.arrived_s if overdue else 0.0,
        waiter.urgency,
        not (known and resident.streak < view.policy.affinity_requests),
        view.served_s.get((waiter.principal, ""), 0.0),
        view.served_s.get((waiter.principal, waiter.group), 0.0),
        waiter.arrived_s,
    )


# -- who goes and who comes ----------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Move:
    """A change of what is in memory, with its reason. ``until_s``: when to look again, where it has to wait."""

    load: str = ""
    unload: str = ""
    cancel_load: bool = False
    reason: str = ""
    until_s: float = NEVER


def choose_move(rest: tuple[Waiter, ...], turn: Turn, busy: frozenset[str], view: View) -> Move:
    """What is loaded, unloaded or given up now. ``rest`` still waits after those that begin, on ``busy`` models."""
    wanted = turn.wanted
    if view.loading is not None:
        return move_while_loading(wanted, view)
    if view.leaving:
        return Move(reason=f"unloading {view.leaving}")
    if going := next((one.model for one in view.residents if one.going and not one.running), ""):
        return Move(unload=going, reason=f"unloading {going}, as it was told")
    if wanted is None:
        return move_for_wish(rest, busy, view)
    if has_room(view):
        return Move(load=wanted.model, reason=f"loading {wanted.model}: somebody waits for it")
    victim = turn.victim
    if victim is None:
        return Move(reason="nothing may be unloaded: the card is pinned")
    if not turn.over:
        turn_comes = f"in {turn.until_s - view.now_s:.0f} s" if turn.until_s < NEVER else "when nobody else waits"
        return Move(reason=f"{victim.model} goes on; {wanted.model} has its turn {turn_comes}")
    if victim.running:
        return Move(reason=f"{victim.model} ends what it is at; then {wanted.model}")
    return Move(unload=victim.model, reason=f"{wanted.model} takes the place of {victim.model}")


def move_while_loading(wanted: Waiter | None, view: View) -> Move:
    """A load is given up only where nobody waits for it and somebody waits for something else."""
    loading = view.loading
    assert loading is not None, "called while a model is being loaded"
    if wanted is not None and wanted.urgency < IDLE and not loading.wanted and not has_room(view):
        return Move(cancel_load=True, reason=f"{wanted.model} is needed now: the guess {loading.model} is given up")
    return Move(reason=f"{'somebody waits' if loading.wanted else 'nobody waits yet'} for {loading.model}")


def move_for_wish(rest: tuple[Waiter, ...], busy: frozenset[str], view: View) -> Move:
    """Nobody waits for a model that is not there: perhaps one should be there all the same."""
    wish = view.wish
    idle = not rest and not busy and not any(resident.running for resident in view.residents)
    if wish is None or not idle or any(resident.model == wish.model for resident in view.residents):
        return Move(reason=at_rest(rest, busy, view))
    if has_room(view):
        return Move(load=wish.model, reason=f"loading {wish.model}: {wish.reason}")
    victim = choose_victim((), view)
    if victim is None or victim.kept:
        return Move(reason="nothing may be unloaded: the card is pinned")
    until_s = guess_waits_until_s(victim, view) if wish.guessed else view.now_s
    if view.now_s < until_s:
        return Move(reason=f"{victim.model} stays for whoever had it last", until_s=until_s)
    return Move(unload=victim.model, reason=f"{wish.model} takes the place of {victim.model}: {wish.reason}")


def guess_waits_until_s(resident: Resident, view: View) -> float:
    """How long a guess lets it be: whoever had it last may come back, and an older guess may still come true."""
    unused = not resident.begun and not resident.running
    guessed_s = resident.since_s + view.policy.linger_s[BACKGROUND] if unused else -NEVER
    return max(guessed_s, lingers_until_s(resident, BACKGROUND, view))


def at_rest(rest: tuple[Waiter, ...], busy: frozenset[str], view: View) -> str:
    """What the card is at while nothing has to change."""
    serving = [resident.model for resident in view.residents if resident.running or resident.model in busy]
    if serving:
        return f"serving {', '.join(serving)}" + (f"; {len(rest)} wait for a place" if rest else "")
    return "nobody waits"


def preempt(rest: tuple[Waiter, ...], view: View) -> Iterator[int]:
    """What runs only because there was nothing else to do, once there is."""
    if any(waiter.urgency < IDLE for waiter in rest):
        for resident in view.residents:
            yield from (running.id for running in resident.running if running.urgency == IDLE)


def wake_at(rest: tuple[Waiter, ...], ends: tuple[float, ...], view: View) -> float | None:
    """The next time at which the same view would be judged otherwise; None where it never would."""
    policy = view.policy
    times = [*ends, view.awaited_s + policy.grace_s]
    for waiter in rest:
        times.append(waiter.arrived_s + policy.patience_s[waiter.urgency])
        times.append(waiter.arrived_s + policy.max_wait_s[waiter.urgency])
    return min((time_s for time_s in times if view.now_s < time_s < NEVER), default=None)
