"""A download of a model, told as it goes: how much of it is there, how fast it comes, how long it takes."""

from collections import deque
from dataclasses import dataclass, field

import trio

from lodestard.control.messages.gpu import PullItem
from lodestard.domain.errors import CallerFault, Code, UpstreamFault
from lodestard.domain.host_ports import ResidencyDesk
from lodestard.domain.residency import PullProgress
from lodestard.domain.upstream import Target
from lodestard.domain.verbs import Emits

TELL_S = 0.25
SPAN_S = 8.0
LEAST_SPAN_S = 1.0
NO_MANIFEST = "pull model manifest"


async def pull_model(residency: ResidencyDesk, target: Target, emit: Emits[PullItem]) -> None:
    """Have ``target`` downloaded, telling how far it is a few times a second; the last item is ``finished``.

    Raises ``UpstreamFault``. Cancelled, the download stops; the next one goes on from there.
    """
    try:
        meter = await _follow(residency, target, emit)
    except UpstreamFault as fault:
        raise say_unknown(fault, target) from None
    await emit(meter.finish())


def find_pulled(residency: ResidencyDesk, name: str) -> Target:
    """The model that shall come: a new one to the one host that there is. Raises ``CallerFault``; where there are
    more, with how to say it.
    """
    try:
        return residency.find(name)
    except CallerFault as fault:
        if fault.code is not Code.MODEL_NOT_FOUND or "/" in name:
            raise
        if len(residency.hosts) == 1:
            return Target.parse(f"{residency.hosts[0]}/{name}")
        advice = f"A new one is named with its host: lodestarctl models pull {residency.hosts[0]}/{name}"
        raise CallerFault(fault.code, f"{fault.message} {advice}", param=fault.param) from None


async def _follow(residency: ResidencyDesk, target: Target, emit: Emits[PullItem]) -> "Meter":
    meter = Meter(target)
    told_s, told_status = -TELL_S, ""
    async with residency.pull(target) as lines:
        async for line in lines:
            now_s = trio.current_time()
            item = meter.read(line, now_s)
            if item.status != told_status or now_s - told_s >= TELL_S:
                told_s, told_status = now_s, item.status
                await emit(item)
    return meter


def say_unknown(fault: UpstreamFault, target: Target) -> UpstreamFault:
    """The same fault; of a name that nobody knows, with where names are. Pure."""
    if NO_MANIFEST not in fault.message:
        return fault
    text = f"{fault.message.rstrip('.')}. Is {target.model} the right name? ollama.com/library lists them."
    return UpstreamFault(fault.code, text, upstream=target.upstream)


@dataclass(slots=True, eq=False)
class Meter:
    """Adds up layers. The rate is that of the last seconds, without what was there before the download began."""

    target: Target
    done: dict[str, int] = field(default_factory=dict)
    total: dict[str, int] = field(default_factory=dict)
    there_before: int = 0
    seen: deque[tuple[float, int]] = field(default_factory=deque)

    def read(self, line: PullProgress, now_s: float) -> PullItem:
        """One line of the server's."""
        if line.total_bytes:
            if line.digest not in self.total:
                self.there_before += line.done_bytes
            self.done[line.digest], self.total[line.digest] = line.done_bytes, line.total_bytes
        done, total = sum(self.done.values()), sum(self.total.values())
        rate = self._rate(done - self.there_before, now_s) if total else None
        return PullItem(
            host=self.target.upstream,
            model=self.target.model,
            status=say_status(line),
            done_bytes=done,
            total_bytes=total,
            bytes_per_s=rate,
            left_s=(total - done) / rate if rate else None,
        )

    def _rate(self, come: int, now_s: float) -> float | None:
        """Bytes a second, None while that can't be told."""
        self.seen.append((now_s, come))
        while len(self.seen) > 2 and now_s - self.seen[1][0] >= SPAN_S:
            self.seen.popleft()
        first_s, first = self.seen[0]
        span_s = now_s - first_s
        return (come - first) / span_s if span_s >= LEAST_SPAN_S else None

    def finish(self) -> PullItem:
        """It is whole."""
        total = sum(self.total.values())
        return PullItem(
            host=self.target.upstream,
            model=self.target.model,
            status="done",
            done_bytes=total,
            total_bytes=total,
            finished=True,
        )


def say_status(line: PullProgress) -> str:
    """What the server is at, without the digests that it names. Pure."""
    return "downloading" if line.total_bytes else line.status
