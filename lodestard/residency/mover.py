"""What takes time on a card: loading, unloading, and looking at what the server has in memory.

Law: one task group per card, the only one that speaks to its server about memory; it changes nothing by itself but
tells the ``Card``, which decides. A load lives here, on a connection of residency's own: a client that leaves aborts
nothing. A swap is: the resident's answers end, it is unloaded, the server's list confirms it, the next one is loaded.
"""

import logging
from collections.abc import Sequence
from math import inf

import trio

from lodestard.domain.errors import Code, UpstreamFault
from lodestard.domain.host_ports import ModelHost
from lodestard.domain.model_name import canonical_name
from lodestard.domain.residency import LoadedModel
from lodestard.residency import refusals
from lodestard.residency.card import Card
from lodestard.residency.keeping import may_renew
from lodestard.residency.landing import (
    believe,
    fail_load,
    finish_load,
    finish_unload,
    forget_expired,
    give_load_up,
    has_lost_all,
)
from lodestard.residency.state import Load, Tenant

GONE_POLL_S = 0.1
GONE_WITHIN_S = 30.0
CONFIRMED_WITHIN_S = 2.0
"""How long those who wait for a model that was loaded wait for the server to list it, too."""
RENEW_BELOW_S = 60.0
INSTALLED_EVERY = 20
MS_PER_S = 1_000

logger = logging.getLogger(__name__)


async def run_mover(card: Card, host: ModelHost) -> None:
    """Move models for ``card`` until cancelled, or until its settings are others and nothing is being moved.

    Cancelled, a load under way ends with it (``landing.abandon``).
    """
    card.opened_with = card.terms.upstream
    try:
        async with trio.open_nursery() as nursery:
            mover = Mover(card, host, nursery)
            await mover.look()
            card.state.broken = False
            card.begin_load, card.begin_unload, card.look_soon = mover.begin_load, mover.begin_unload, mover.look_soon
            card.replan()
            nursery.start_soon(mover.keep_looking)
            await mover.keep_time()
            nursery.cancel_scope.cancel()
    finally:
        card.begin_load = card.begin_unload = card.opened_with = None


class Mover:
    """The hands of one ``Card``. ``moves`` counts changes, so that a look that one has overtaken is not believed."""

    def __init__(self, card: Card, host: ModelHost, nursery: trio.Nursery) -> None:
        self._card = card
        self._host = host
        self._nursery = nursery
        self._moves = 0
        self._looks = 0
        self._soon = trio.Event()
        self._renewing = trio.Lock()

    # -- what the card asks for --------------------------------------------------------------------------------

    def begin_load(self, load: Load) -> None:
        self._moves += 1
        self._nursery.start_soon(self._load, load)

    def begin_unload(self, model: str) -> None:
        self._moves += 1
        self._nursery.start_soon(self._unload, model)

    def look_soon(self) -> None:
        """Something unexpected has happened: look at what is in memory."""
        self._soon.set()

    async def keep_time(self) -> None:
        """Plan anew whenever the planner wanted to, until the settings are others and nothing is being moved."""
        card = self._card
        while not card.is_outdated or card.state.loading is not None or card.state.leaving:
            card.bell = trio.Event()
            card.alarm_s = card.wake_s
            with trio.move_on_at(card.alarm_s) as patience:
                await card.bell.wait()
            if patience.cancelled_caught:
                card.wake_s = inf
                card.replan()

    # -- moving ------------------------------------------------------------------------------------------------

    async def _load(self, load: Load) -> None:
        with load.scope:
            try:
                await self._host.load(load.model)
                listed = await self._listed()
            except UpstreamFault as fault:
                self._moves += 1
                logger.warning("%s could not load %s: %s", self._card.name, load.model, fault.own_words)
                self._note_reachable(fault)
                self.look_soon()
                fail_load(self._card, load, fault)
                return
        if load.scope.cancelled_caught:
            listed = await self._listed()
            self._moves += 1
            give_load_up(self._card, listed)
        else:
            self._moves += 1
            finish_load(self._card, load, listed)

    async def _listed(self) -> Sequence[LoadedModel]:
        """What is in memory; nothing where the server does not say so soon: a load called done is believed."""
        with trio.move_on_after(CONFIRMED_WITHIN_S):
            try:
                return await self._host.loaded()
            except UpstreamFault as fault:
                logger.info("%s does not say what is in memory: %s", self._card.name, fault.own_words)
        return ()

    async def _unload(self, model: str) -> None:
        began_s = trio.current_time()
        failed: UpstreamFault | None = None
        try:
            async with self._renewing:  # a renewal that came after it would load the model again
                await self._host.unload(model)
            await self._wait_gone(model)
        except UpstreamFault as fault:
            logger.warning("%s could not unload %s: %s", self._card.name, model, fault.own_words)
            self._note_reachable(fault)
            self.look_soon()
            failed = refusals.restated(fault, self._card.name)
        self._moves += 1
        finish_unload(self._card, model, trio.current_time() - began_s, failed)

    async def _wait_gone(self, model: str) -> None:
        """Until the server lists it no more. There is no event for that: it has to be asked.

        Raises ``UpstreamFault`` where it lists it still after ``GONE_WITHIN_S``.
        """
        with trio.move_on_after(GONE_WITHIN_S):
            while True:
                if find(await self._host.loaded(), model) is None:
                    return
                await trio.sleep(GONE_POLL_S)
        raise refusals.still_there(self._card.name, model, GONE_WITHIN_S)

    # -- looking -----------------------------------------------------------------------------------------------

    async def keep_looking(self) -> None:
        """Look at regular times, and soon after something unexpected."""
        while True:
            with trio.move_on_after(self._card.terms.residency.poll_s):
                await self._soon.wait()
            self._soon = trio.Event()
            await self.look()
            self._card.replan()
            await self._renew()

    async def look(self) -> None:
        """Compare what we believe with what the server says, as far as it says anything."""
        await self._compare()
        state = self._card.state
        state.doubtful, state.looked_s = False, trio.current_time()

    async def _compare(self) -> None:
        moves, state = self._moves, self._card.state
        try:
            restarted = self._note_version(await self._host.version())
            listed = await self._host.loaded()
            if self._looks % INSTALLED_EVERY == 0 or state.missing:
                await self._look_for_missing()
        except UpstreamFault as fault:
            self._note_reachable(fault)
            return
        self._looks += 1
        was_there = state.reachable is True
        state.reachable, state.problem = True, ""
        if moves == self._moves and state.loading is None and not state.leaving:
            if was_there and not restarted and has_lost_all(self._card, listed):
                self._note_restart()
            believe(self._card, listed)
        else:
            forget_expired(self._card, listed)

    def _note_version(self, version: str) -> bool:
        """It answers. Whether it is another version now: then it was started again."""
        state = self._card.state
        another = bool(state.version) and version != state.version and state.reachable is not False
        state.version = version
        if another:
            self._note_restart()
        return another

    async def _look_for_missing(self) -> None:
        """Which of the models that it is asked for the server does not have on its disk."""
        installed = {self._card.own_name(model.model) for model in await self._host.installed()}
        state, terms = self._card.state, self._card.terms
        known = {*terms.upstream.models, *self._card.routed, *state.missing}
        state.missing = {self._card.own_name(model) for model in known} - installed

    def _note_reachable(self, fault: UpstreamFault) -> None:
        """A fault of the server: what it says of us being able to reach it."""
        state = self._card.state
        state.problem = fault.own_words
        if fault.code is Code.UPSTREAM_UNREACHABLE:
            if state.reachable is True:
                self._note_restart()
            state.reachable = False
            self._looks = 0
            believe(self._card, ())

    def _note_restart(self) -> None:
        """It may be another version now, with other models on its disk."""
        self._card.count(restarts=self._card.state.counts.restarts + 1)
        logger.warning("%s has restarted, or lost what it had in memory", self._card.name)
        self._looks = 0

    async def _renew(self) -> None:
        """Renew the keep-alive of what shall stay, shortly before the server would forget it."""
        for tenant in list(self._card.state.tenants.values()):
            async with self._renewing:
                if not self._needs_renewal(tenant):
                    continue
                try:
                    await self._host.load(tenant.model)
                except UpstreamFault as fault:
                    self._note_reachable(fault)
                    return

    def _needs_renewal(self, tenant: Tenant) -> bool:
        card, expires_ms = self._card, tenant.loaded.expires_ms
        if expires_ms is None or tenant.running or card.state.leaving or card.is_lent():
            return False
        if tenant is not card.state.tenants.get(tenant.model):
            return False  # it has gone while others were renewed
        left_s = (expires_ms - card.now_ms()) / MS_PER_S
        late = left_s < max(RENEW_BELOW_S, 2 * card.terms.residency.poll_s)
        return late and may_renew(tenant.model, card.keeping(trio.current_time()))


def find(listed: Sequence[LoadedModel], model: str) -> LoadedModel | None:
    """The entry of ``model``, whose name may lack the tag that the server gives it."""
    wanted = canonical_name(model)
    return next((one for one in listed if canonical_name(one.model) == wanted), None)
