"""The probe loops: one task for each upstream, over that upstream's own connection pool.

Law: a probe costs no token and never delays a request. A real attempt that could not reach the
upstream brings the next probe forward. A good look lets one request try an upstream whose breaker is open; it never
closes it.
"""

import logging
from contextlib import ExitStack

import msgspec
import trio

from lodestard.domain.errors import Code, Fault
from lodestard.domain.news import AttemptEnded
from lodestard.domain.settings import Upstream
from lodestard.modules.health.judge import PROBE_PATHS, Health, Probe, alert_of, judge, read_status
from lodestard.modules.health.settings import HealthSettings
from lodestard.runtime import Look, Runtime

NS_PER_MS = 1_000_000
HURRIED_GAP_S = 1.0
UNREACHED = (Code.UPSTREAM_UNREACHABLE, Code.UPSTREAM_CUT, Code.UPSTREAM_TIMEOUT)

logger = logging.getLogger(__name__)


async def run_health(runtime: Runtime, settings: HealthSettings) -> None:
    """Probe every upstream until cancelled."""
    await HealthLoop(runtime, settings).run()


class HealthLoop:
    """Owner of what is known about every upstream; changed only by its probe tasks."""

    def __init__(self, runtime: Runtime, settings: HealthSettings) -> None:
        self._runtime = runtime
        self._settings = settings
        self._known = dict.fromkeys(runtime.settings.upstreams, Health())
        self._hurry = {name: trio.Event() for name in self._known}

    async def run(self) -> None:
        hooks = self._runtime.hooks
        with ExitStack() as doors:
            doors.enter_context(hooks.is_up.provide(self.is_up))
            doors.enter_context(hooks.status_parts.add("upstreams", self.status))
            doors.enter_context(hooks.attempt_ended.listen(self.hear))
            async with trio.open_nursery() as nursery:
                for name, upstream in self._runtime.settings.upstreams.items():
                    nursery.start_soon(self._watch, name, upstream)

    def is_up(self, upstream: str) -> bool:
        """Unknown counts as up: a request tells us more than a guess."""
        health = self._known.get(upstream)
        return health is None or health.state != "down"

    def status(self) -> dict[str, object]:
        return {name: msgspec.to_builtins(health) for name, health in self._known.items()}

    def hear(self, attempt: AttemptEnded) -> None:
        if attempt.outcome in UNREACHED and attempt.target.upstream in self._hurry:
            self._hurry[attempt.target.upstream].set()

    async def _watch(self, name: str, upstream: Upstream) -> None:
        try:
            look = self._runtime.look_at(name)
        except LookupError:  # nobody here speaks its dialect: it stays unknown
            return
        while True:
            self._learn(name, await self._probe(look, PROBE_PATHS[upstream.dialect]))
            with trio.move_on_after(self._settings.interval_s):
                await self._hurry[name].wait()
                await trio.sleep(HURRIED_GAP_S)
            self._hurry[name] = trio.Event()

    async def _probe(self, look: Look, path: str) -> Probe:
        clock = self._runtime.clock
        started_ns = clock.monotonic_ns()
        error, note = await self._look(look, path)
        latency_ms = (clock.monotonic_ns() - started_ns) // NS_PER_MS
        return Probe(at_ms=clock.now_ms(), latency_ms=latency_ms, error=error, note=note)

    async def _look(self, look: Look, path: str) -> tuple[str, str]:
        """Why it is not there, and what else is wrong; empty strings where all is well."""
        with trio.move_on_after(self._settings.timeout_s):
            try:
                return read_status(await look(path))
            except Fault as fault:
                return fault.message, ""
        return f"no answer within {self._settings.timeout_s:g} s", ""

    def _learn(self, name: str, probe: Probe) -> None:
        before = self._known[name]
        after = self._known[name] = judge(before, probe, self._settings.failures_to_down)
        if not probe.error:
            self._runtime.breakers.note_look(name)
        if after.state == before.state:
            return
        if after.state == "down" or before.state == "down":
            self._runtime.hooks.alert.tell(alert_of(name, after))
        if after.state == "down":
            logger.warning("upstream %s is down: %s", name, probe.error)
        elif before.state == "down":
            logger.info("upstream %s is up again", name)
