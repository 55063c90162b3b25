"""Cards: what is on them and who waits, and what they are told: pins, loans, loads, unloads, downloads.

Law: a verb decides nothing: what is on a card its owner decides, and who may say so is told by ``needs``.
"""

from lodestard.control.messages.gpu import (
    GpuQueue,
    GpuReport,
    HostQueue,
    Lent,
    Pinned,
    PullItem,
    UnloadItem,
    WarmItem,
)
from lodestard.control.verbs.desk import Desk
from lodestard.control.verbs.gpu_hosts import look_at_hosts, pick_host, residency_of
from lodestard.control.verbs.pulling import find_pulled, pull_model
from lodestard.control.verbs.warming import unload, warm_up
from lodestard.control.verbs.when import read_age_s
from lodestard.domain.errors import CallerFault, Code
from lodestard.domain.verbs import Argument, Arguments, Emits, Verb

MS_PER_S = 1_000
HOST = Argument(name="host", help="which host; needed where there are more")
MODEL = Argument(name="model", required=True, help="an alias, a model's own name, or host/model")


def gpu_verbs(desk: Desk) -> tuple[Verb, ...]:
    return (*looking_verbs(desk), *pinning_verbs(desk), *lending_verbs(desk), *loading_verbs(desk))


def looking_verbs(desk: Desk) -> tuple[Verb, ...]:
    async def gpu(arguments: Arguments) -> GpuReport:
        residency_of(desk)
        hosts = look_at_hosts(desk, arguments["host"] or "")
        return GpuReport(hosts=hosts, at_ms=desk.runtime.clock.now_ms())

    async def queue(arguments: Arguments) -> GpuQueue:
        residency_of(desk)
        hosts = look_at_hosts(desk, arguments["host"] or "")
        queues = (HostQueue(host=at.host, step=at.step, reason=at.reason, places=at.places) for at in hosts)
        return GpuQueue(hosts=tuple(queues))

    only = (Argument(name="host", help="only this host"),)
    return (
        Verb(name="gpu", summary="what is on the cards, and why", needs="read", arguments=only, answer=gpu),
        Verb(name="gpu.queue", summary="who is on a card and who waits", needs="read", arguments=only, answer=queue),
    )


def pinning_verbs(desk: Desk) -> tuple[Verb, ...]:
    async def pin(arguments: Arguments) -> Pinned:
        residency = residency_of(desk)
        target, exclusive = residency.find(arguments["model"]), arguments["exclusive"]
        residency.pin(target, exclusive=exclusive)
        return Pinned(host=target.upstream, model=target.model, pinned="exclusive" if exclusive else "kept")

    async def unpin(arguments: Arguments) -> Pinned:
        residency = residency_of(desk)
        target = residency.find(arguments["model"])
        return Pinned(host=target.upstream, model=target.model, changed=residency.unpin(target))

    exclusive = Argument(name="exclusive", kind="flag", help="nothing displaces it, whoever waits")
    return (
        Verb(
            name="gpu.pin",
            summary="keep a model on its card",
            needs="admin",
            arguments=(MODEL, exclusive),
            answer=pin,
        ),
        Verb(name="gpu.unpin", summary="take a pin back", needs="admin", arguments=(MODEL,), answer=unpin),
    )


def lending_verbs(desk: Desk) -> tuple[Verb, ...]:
    async def pause(arguments: Arguments) -> Lent:
        residency = residency_of(desk)
        host = pick_host(residency, arguments["host"] or "")
        until_ms = read_until_ms(arguments["for"] or "", desk.runtime.clock.now_ms())
        residency.pause(host, until_ms)
        return Lent(host=host, lent=True, until_ms=until_ms)

    async def resume(arguments: Arguments) -> Lent:
        residency = residency_of(desk)
        host = pick_host(residency, arguments["host"] or "")
        return Lent(host=host, lent=False, changed=residency.resume(host))

    lent_for = Argument(name="for", help="for how long: 2h, 30m, 1d; without it until gpu.resume")
    return (
        Verb(
            name="gpu.pause",
            summary="lend a card to something else",
            needs="admin",
            arguments=(HOST, lent_for),
            answer=pause,
        ),
        Verb(name="gpu.resume", summary="take a card back", needs="admin", arguments=(HOST,), answer=resume),
    )


def read_until_ms(age: str, now_ms: int) -> int | None:
    """``2h`` → when that is over, None for no age. Raises ``CallerFault``. Pure."""
    if not age:
        return None
    lent_s = read_age_s(age, "for")
    if not lent_s:
        raise CallerFault(Code.INVALID_REQUEST, "For how long? Say 30m, 2h or 1d.", param="for")
    return now_ms + lent_s * MS_PER_S


def loading_verbs(desk: Desk) -> tuple[Verb, ...]:
    async def warm(arguments: Arguments, emit: Emits[WarmItem]) -> None:
        residency = residency_of(desk)
        await warm_up(residency, residency.find(arguments["model"]), emit)

    async def take_off(arguments: Arguments, emit: Emits[UnloadItem]) -> None:
        residency = residency_of(desk)
        await unload(residency, residency.find(arguments["model"]), emit)

    async def pull(arguments: Arguments, emit: Emits[PullItem]) -> None:
        residency = residency_of(desk)
        await pull_model(residency, find_pulled(residency, arguments["model"]), emit)

    which = (MODEL,)
    return (
        Verb(name="warm", summary="load a model and wait for it", needs="admin", arguments=which, stream=warm),
        Verb(name="unload", summary="take a model off its card", needs="admin", arguments=which, stream=take_off),
        Verb(name="models.pull", summary="download a model", needs="admin", arguments=which, stream=pull),
    )
