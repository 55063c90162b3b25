"""A load or an unload that a person waits for, told as it goes."""

from collections.abc import Awaitable, Callable
from typing import TypeVar

import trio

from lodestard.control.messages.gpu import UnloadItem, WarmItem
from lodestard.domain.errors import Code, Fault, UpstreamFault
from lodestard.domain.host_ports import ResidencyDesk
from lodestard.domain.residency import HostState, ModelState
from lodestard.domain.upstream import Target
from lodestard.domain.verbs import Emits

LOOK_S = 0.25
STEPS = ("draining", "unloading", "loading")

T = TypeVar("T")


async def warm_up(residency: ResidencyDesk, target: Target, emit: Emits[WarmItem]) -> None:
    """Have ``target`` loaded, telling how far it is a few times a second; the last item says that it is ready.

    Raises ``Fault``. Cancelled, nobody waits for it any more; a load that has begun goes on.
    """
    began_s = trio.current_time()
    known = find_model(residency.state(target.upstream), target.model)

    async def tell() -> None:
        await emit(read_progress(residency.state(target.upstream), target, trio.current_time() - began_s))

    try:
        took_s = await tell_while(lambda: residency.warm(target), tell)
    except Fault as fault:
        raise say_missing(fault, target) from None
    was_loaded = known is not None and known.resident
    await emit(
        WarmItem(host=target.upstream, model=target.model, state="ready", took_s=took_s, was_loaded=was_loaded)
    )


async def unload(residency: ResidencyDesk, target: Target, emit: Emits[UnloadItem]) -> None:
    """Have ``target`` unloaded, telling what it waits for. Raises ``Fault``."""

    async def tell() -> None:
        known = find_model(residency.state(target.upstream), target.model)
        running = known.running if known is not None else 0
        state = "waiting" if running else "unloading"
        await emit(UnloadItem(host=target.upstream, model=target.model, state=state, running=running))

    was_loaded = await tell_while(lambda: residency.unload(target), tell)
    await emit(UnloadItem(host=target.upstream, model=target.model, state="done", was_loaded=was_loaded))


async def tell_while(work: Callable[[], Awaitable[T]], tell: Callable[[], Awaitable[None]]) -> T:
    """Await ``work``, and ``tell`` every ``LOOK_S`` seconds until it is done: what is over at once is not told of.

    Raises the work's ``Fault`` as it is. What is being told is never cut off in the middle by the work's end.
    """
    ended: list[T | Fault] = []
    over = trio.Event()

    async def carry_out() -> None:
        try:
            ended.append(await work())
        except Fault as fault:
            ended.append(fault)
        over.set()

    async with trio.open_nursery() as nursery:
        nursery.start_soon(carry_out)
        while not over.is_set():
            with trio.move_on_after(LOOK_S):
                await over.wait()
            if not over.is_set():
                await tell()
    (end,) = ended
    if isinstance(end, Fault):
        raise end
    return end


def read_progress(state: HostState, target: Target, for_s: float) -> WarmItem:
    """How far a load is that was asked for ``for_s`` ago. Pure."""
    here = state.step_model == target.model
    step = state.step if state.step in STEPS else "waiting"
    if step == "loading" and here:
        return WarmItem(
            host=state.host,
            model=target.model,
            state="loading",
            for_s=state.step_for_s,
            left_s=state.step_left_s,
        )
    known = find_model(state, target.model)
    makes_room = step in ("draining", "unloading") and not here
    return WarmItem(
        host=state.host,
        model=target.model,
        state=step if makes_room else "waiting",
        other=state.step_model if makes_room else "",
        ahead=count_ahead(state, target.model),
        for_s=for_s,
        left_s=known.wait.likely_s if known is not None and known.wait is not None else None,
    )


def count_ahead(state: HostState, model: str) -> int:
    """How many requests for other models are answered first: those that run, and those as urgent that wait. Pure."""
    return sum(
        place.model != model and (place.state == "running" or place.rank == "interactive") for place in state.places
    )


def find_model(state: HostState, model: str) -> ModelState | None:
    return next((known for known in state.models if known.model == model), None)


def say_missing(fault: Fault, target: Target) -> Fault:
    """The same fault; of a model that its server does not have, with what to do about it. Pure."""
    if fault.code is not Code.UPSTREAM_MODEL_MISSING:
        return fault
    text = f"{target.upstream} does not have {target.model}. lodestarctl models pull {target} downloads it."
    return UpstreamFault(Code.UPSTREAM_MODEL_MISSING, text, upstream=target.upstream)
