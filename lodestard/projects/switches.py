"""``lodestarctl use``: the alias that is asked in place of whichever chat alias a request names.

Law: it changes which alias is asked and nothing else: what a key may use, what labels forbid and what budgets leave
stands. Owner: one object, changed in sync code; saved before anybody is told that it was done.
"""

import logging
from collections.abc import Callable

import msgspec
import trio

from lodestard.domain.errors import CallerFault, Code
from lodestard.domain.host_ports import Keepsake
from lodestard.domain.request import Caller
from lodestard.domain.switch import SCOPES, Scope, Switch

MOST = 256
_log = logging.getLogger(__name__)


class Switches:
    """Implements ``domain.project_ports.SwitchesPort``."""

    def __init__(self, keepsake: Keepsake, now_ms: Callable[[], int]) -> None:
        self._keepsake = keepsake
        self._now_ms = now_ms
        self._switches: dict[tuple[Scope, str], Switch] = {}
        self._turn = trio.Lock()  # or two changes at once would each be saved without the other

    async def load(self) -> None:
        """What was set before."""
        data = await self._keepsake.load()
        try:
            kept = msgspec.json.decode(data, type=list[Switch]) if data else []
        except msgspec.DecodeError:
            _log.warning("the quick switches can't be read: none is set any more")
            kept = []
        self._switches = {(switch.scope, switch.of): switch for switch in kept}

    def find(self, caller: Caller) -> str | None:
        """See the port."""
        if not self._switches or caller.origin or caller.task in ("embedding", "autocomplete"):
            return None
        names: tuple[tuple[Scope, str], ...] = (("session", caller.session), ("project", caller.project), ("all", ""))
        for name in names:
            switch = self._switches.get(name)
            if switch is not None and self._holds(switch):
                return switch.alias
        return None

    def _holds(self, switch: Switch) -> bool:
        return switch.until_ms is None or self._now_ms() < switch.until_ms

    @property
    def active(self) -> tuple[Switch, ...]:
        """Those that hold now, the narrower ones first."""
        holding = [switch for switch in self._switches.values() if self._holds(switch)]
        return tuple(sorted(holding, key=lambda switch: (SCOPES.index(switch.scope), switch.of)))

    async def set(self, switch: Switch) -> None:
        """In place of the one of the same scope. Raises ``CallerFault``, ``HouseFault``."""
        async with self._turn:
            switches = {**{(each.scope, each.of): each for each in self.active}, (switch.scope, switch.of): switch}
            if len(switches) > MOST:
                raise CallerFault(Code.INVALID_REQUEST, f"{MOST} switches are set: take one back first.")
            await self._change(switches)

    async def take_back(self, scope: Scope, of: str) -> bool:
        """Whether there was one. Raises ``HouseFault``."""
        async with self._turn:
            switches = {(each.scope, each.of): each for each in self.active}
            if switches.pop((scope, of), None) is None:
                return False
            await self._change(switches)
            return True

    async def _change(self, switches: dict[tuple[Scope, str], Switch]) -> None:
        await self._keepsake.save(msgspec.json.encode(list(switches.values())))
        self._switches = switches
