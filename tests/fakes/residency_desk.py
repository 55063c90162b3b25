"""An owner of cards that does what it is told at once, and keeps what it was told."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import msgspec
import trio

from lodestard.domain.errors import CallerFault, Code, Fault
from lodestard.domain.near import did_you_mean
from lodestard.domain.residency import HostState, ModelState, PullProgress
from lodestard.domain.upstream import Target


@dataclass
class FakeResidency:
    """``states`` by host. ``takes_s``: how long a load or an unload takes; ``fault`` is how it ends, if not well.

    ``lines`` are what a download tells, each after ``line_s``. ``told`` is everything that it was told to do;
    ``left`` comes when somebody did not wait for it.
    """

    states: dict[str, HostState]
    takes_s: float = 0.0
    fault: Fault | None = None
    lines: Sequence[PullProgress] = ()
    line_s: float = 0.0
    told: list[tuple[str, object]] = field(default_factory=list)
    looked: int = 0
    left: trio.Event = field(default_factory=trio.Event)

    @property
    def hosts(self) -> Sequence[str]:
        return tuple(self.states)

    def state(self, host: str) -> HostState:
        self.looked += 1
        return self.states[host]

    def change(self, host: str, **members: object) -> None:
        self.states[host] = msgspec.structs.replace(self.states[host], **members)

    def find(self, name: str) -> Target:
        for host, state in self.states.items():
            for model in state.models:
                if name in (model.model, f"{host}/{model.model}"):
                    return Target(host, model.model)
        names = [model.model for state in self.states.values() for model in state.models]
        near = did_you_mean(name, names)
        hint = f" Did you mean {near}?" if near else ""
        raise CallerFault(Code.MODEL_NOT_FOUND, f"There is no model {name!r}.{hint}", param="model")

    async def warm(self, target: Target) -> float:
        await self._do("warm", target)
        return self.takes_s

    async def unload(self, target: Target) -> bool:
        known = self._model(target)
        await self._do("unload", target)
        return known.resident

    async def _do(self, what: str, target: Target) -> None:
        try:
            await trio.sleep(self.takes_s)
        except trio.Cancelled:
            self.told.append((f"{what} cancelled", target))
            self.left.set()
            raise
        if self.fault is not None:
            raise self.fault
        self.told.append((what, target))

    def _model(self, target: Target) -> ModelState:
        return next(model for model in self.states[target.upstream].models if model.model == target.model)

    def pin(self, target: Target, *, exclusive: bool = False) -> None:
        self.told.append(("pin exclusive" if exclusive else "pin", target))

    def unpin(self, target: Target) -> bool:
        self.told.append(("unpin", target))
        return bool(self._model(target).pinned)

    def pause(self, host: str, until_ms: int | None = None) -> None:
        self.told.append((f"pause {host}", until_ms))

    def resume(self, host: str) -> bool:
        self.told.append(("resume", host))
        return self.states[host].step == "paused"

    @asynccontextmanager
    async def pull(self, target: Target) -> AsyncIterator[AsyncIterator[PullProgress]]:
        self.told.append(("pull", target))
        try:
            yield self._lines()
        except BaseException:
            self.told.append(("stopped", target))
            self.left.set()
            raise
        self.told.append(("pulled", target))

    async def _lines(self) -> AsyncIterator[PullProgress]:
        for line in self.lines:
            await trio.sleep(self.line_s)
            yield line
        if self.fault is not None:
            raise self.fault
