"""A generation: everything that one configuration opens, from its pools to its modules.

Law: built whole or not at all. A reload opens the next generation beside the serving one and swaps; the old one
takes no new requests, and closes its rooms when its last one has ended.
"""

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING

import trio

from lodestard.allowances import Allowances
from lodestard.breakers import Breakers
from lodestard.config.clients import read_clients
from lodestard.dialogues import Dialogues
from lodestard.domain.backup import BackupsPort, NoBackups
from lodestard.domain.clock import Clock
from lodestard.domain.feedback_ports import FeedbackPort
from lodestard.domain.host_ports import Admission
from lodestard.domain.news import AttemptEnded, BudgetAlert, RequestEnded
from lodestard.domain.ports import CachePort, LedgerPort
from lodestard.domain.project_ports import ProjectsPort, SwitchesPort
from lodestard.domain.question import Answered, Question
from lodestard.domain.route_ports import PricesPort
from lodestard.domain.secret import Secret
from lodestard.domain.settings import KeySource, Settings, Upstream
from lodestard.equals import Equals
from lodestard.flights import Flight, Flights, LeavePolicy
from lodestard.hooks import Hooks, Signal
from lodestard.http import Load
from lodestard.module import Module, run_guarded, settings_of
from lodestard.paces import Paces
from lodestard.pipeline import fly
from lodestard.protocols.codecs import CODECS
from lodestard.residency.admission import CardAdmission
from lodestard.residency.plain import HostAdmission
from lodestard.residency.room import Residency
from lodestard.routing.catalog import build_catalog
from lodestard.routing.routes import Routes
from lodestard.runtime import Look, NoFeedback, NoProjects, Runtime, ask_nobody
from lodestard.shadowing import Shadow
from lodestard.tasks import Tasks
from lodestard.thoughts import Thoughts
from lodestard.tokens import Estimator
from lodestard.upstream.counting import count_at
from lodestard.upstream.elsewhere import MOST_ANSWER_BYTES, open_origin_pool
from lodestard.upstream.look import headers_of, look
from lodestard.upstream.sender import PooledSender, open_sender

if TYPE_CHECKING:
    import httpx


@dataclass(frozen=True, slots=True)
class Foundation:
    """What outlives every generation: there is one ledger, one cache and one price book, whatever the configuration.

    ``ended`` and ``attempts`` tell of what ends in all generations, for who listens across a reload. ``budget_alert``
    is told by the ledger's side; the generation that serves passes it on to its modules. ``timezone``: the ledger's.
    ``ask`` carries a module's question through the proxy's endpoint in the module's own generation.
    """

    clock: Clock
    ledger: LedgerPort
    cache: CachePort
    prices: PricesPort
    ended: Signal[RequestEnded]
    started_s: int
    state_dir: Path
    timezone: str
    budget_alert: Signal[BudgetAlert] = field(default_factory=lambda: Signal("budget_alert, of all generations"))
    run_dir: Path | None = None
    residency: Residency | None = None
    attempts: Signal[AttemptEnded] = field(default_factory=lambda: Signal("attempt_ended, of all generations"))
    ask: Callable[[Question, Runtime], Awaitable[Answered]] = ask_nobody
    load: Load = field(default_factory=Load)
    thoughts: Thoughts = field(default_factory=Thoughts)
    allowances: Allowances = field(default_factory=Allowances)
    paces: Paces = field(default_factory=Paces)
    dialogues: Dialogues = field(default_factory=Dialogues)
    tokens: Estimator = field(default_factory=Estimator)
    tasks: Tasks = field(default_factory=Tasks)
    outcomes: FeedbackPort = field(default_factory=NoFeedback)
    breakers: Breakers = field(default_factory=Breakers)
    equals: Equals = field(default_factory=Equals)
    draw: Callable[[], float] = field(default_factory=lambda: Random().random)  # noqa: S311  no secret
    projects: ProjectsPort = field(default_factory=NoProjects)
    switches: SwitchesPort = field(default_factory=NoProjects)
    backups: BackupsPort = field(default_factory=NoBackups)


@dataclass(frozen=True, slots=True)
class Blueprint:
    """What a generation is built from. ``secret`` gives what a module's settings name.

    ``shadow`` has another policy that is only asked what it would have done.
    """

    settings: Settings
    keys: Mapping[str, Secret]
    keys_missing: Mapping[str, str]
    modules: Sequence[Module]
    secret: Callable[[KeySource], Secret]
    shadow: Settings | None = None


@dataclass(slots=True, eq=False)
class Generation:
    """One that is open. Owner of the count of its users."""

    runtime: Runtime
    users: int = 0
    retired: bool = False
    _unused: trio.Event = field(default_factory=trio.Event)
    _closed: trio.Event = field(default_factory=trio.Event)

    def __enter__(self) -> Runtime:
        """Keeps it open until the context is left; any number of users may be in it at once."""
        self.users += 1
        return self.runtime

    def __exit__(self, *_error: object) -> None:
        self.users -= 1
        self._look()

    def retire(self) -> None:
        """No new users; it closes when the last one is gone."""
        if not self.retired:
            self.retired = True
            self.runtime.hooks.retired.tell(None)
        self._look()

    async def wait_unused(self) -> None:
        """Wait until it is retired and nobody uses it."""
        await self._unused.wait()

    async def wait_closed(self) -> None:
        """Wait until its rooms are closed, the last flight's included."""
        await self._closed.wait()

    @property
    def closed(self) -> bool:
        return self._closed.is_set()

    def mark_closed(self) -> None:
        self._closed.set()

    def _look(self) -> None:
        if self.retired and self.users == 0:
            self._unused.set()


async def run_generation(
    foundation: Foundation, blueprint: Blueprint, *, task_status: trio.TaskStatus[Generation]
) -> None:
    """Open a generation, report it, and keep it open until it is retired and unused."""
    async with open_runtime(foundation, blueprint) as runtime:
        generation = Generation(runtime)
        async with trio.open_nursery() as modules:
            for module in blueprint.modules:
                if settings_of(module, runtime).enabled:
                    modules.start_soon(run_guarded, module, runtime, name=f"module {module.name}")
            task_status.started(generation)
            await generation.wait_unused()
            await runtime.flights.wait_idle()  # a drained answer still ends attempts, which modules shall hear of
            modules.cancel_scope.cancel()
    generation.mark_closed()


@asynccontextmanager
async def open_runtime(foundation: Foundation, blueprint: Blueprint) -> AsyncIterator[Runtime]:
    """The rooms of one configuration. Leaving waits for its flights, then closes its pools."""
    settings, hooks = blueprint.settings, Hooks()
    spoken = {name: upstream for name, upstream in settings.upstreams.items() if upstream.dialect in CODECS}
    keys = {name: secret.reveal() for name, secret in blueprint.keys.items()}
    async with open_sender(spoken, keys, CODECS) as sender, trio.open_nursery() as nursery:

        async def fly_here(flight: Flight) -> None:
            await fly(flight, runtime)

        async def ask_here(question: Question) -> Answered:
            return await foundation.ask(question, runtime)

        runtime = Runtime(
            settings=settings,
            clock=foundation.clock,
            hooks=hooks,
            routes=open_routes(foundation, settings, hooks),
            ledger=foundation.ledger,
            cache=foundation.cache,
            sender=sender,
            admission=open_admission(foundation, spoken),
            residency=foundation.residency,
            flights=Flights(nursery, fly_here, plan_leaving(settings), foundation.load),
            look_at=partial(look_at, sender, spoken),
            count_at=partial(count_at, sender),
            open_origin=open_origin,
            secret=blueprint.secret,
            state_dir=foundation.state_dir,
            timezone=foundation.timezone,
            keys_missing=blueprint.keys_missing,
            started_s=foundation.started_s,
            run_dir=foundation.run_dir,
            clients=read_clients(settings, foundation.timezone),
            ask=ask_here,
            thoughts=foundation.thoughts,
            allowances=foundation.allowances,
            paces=foundation.paces,
            dialogues=foundation.dialogues,
            tokens=foundation.tokens,
            tasks=foundation.tasks,
            outcomes=foundation.outcomes,
            breakers=foundation.breakers,
            equals=foundation.equals,
            draw=foundation.draw,
            projects=foundation.projects,
            switches=foundation.switches,
            backups=foundation.backups,
        )
        if blueprint.shadow is not None:
            other = open_routes(foundation, blueprint.shadow, hooks)
            runtime = replace(runtime, shadow=Shadow(replace(runtime, routes=other), other.offer))
        hooks.request_ended.always(foundation.paces.learn_request)
        hooks.attempt_ended.always(foundation.paces.learn_attempt)
        hooks.request_ended.always(foundation.ended.tell)
        hooks.attempt_ended.always(foundation.attempts.tell)
        async with trio.open_nursery() as keeping:
            keeping.start_soon(runtime.flights.keep_time)
            yield runtime
            await runtime.flights.wait_idle()
            keeping.cancel_scope.cancel()


def open_admission(foundation: Foundation, upstreams: Mapping[str, Upstream]) -> Admission:
    """The cards decide where there is one; elsewhere a count of places does."""
    plain = HostAdmission(upstreams)
    return plain if foundation.residency is None else CardAdmission(plain, foundation.residency)


def open_routes(foundation: Foundation, settings: Settings, hooks: Hooks) -> Routes:
    """The routes of a configuration, by the price book of each moment."""
    clock, prices = foundation.clock, foundation.prices
    catalog = build_catalog(settings, frozenset(CODECS), prices.quotes, clock.now_ms())
    return Routes(catalog, hooks.is_up, prices, clock.now_ms, foundation.breakers.tripped)


def look_at(sender: PooledSender, upstreams: Mapping[str, Upstream], name: str) -> Look:
    """Looks at one upstream over its pool. Raises ``LookupError`` for one that nobody here speaks to."""
    upstream = upstreams[name]
    return partial(look, sender.pools[name], upstream.url, headers=headers_of(upstream))


@asynccontextmanager
async def open_origin(
    url: str, name: str, *, plain_text_ok: bool = False
) -> AsyncIterator["httpx.AsyncBaseTransport"]:
    """A small pool to the origin of ``url``, for httpx. ``name`` says in messages what it is.

    httpx is imported where it is first wanted: 60 ms and 7 MB, which most houses never spend.

    Raises ``ValueError`` for what is neither ``https://`` nor ``http://`` to this machine, or with ``plain_text_ok``
    to any.
    """
    with open_origin_pool(url, name, plain_text_ok=plain_text_ok) as pool:
        from lodestard.upstream.httpx_transport import PoolTransport

        yield PoolTransport(pool, MOST_ANSWER_BYTES)


def plan_leaving(settings: Settings) -> LeavePolicy:
    """Paid answers are drained to their usage where nothing else is said: an exact cost beats a guessed one."""
    drained = frozenset(name for name, upstream in settings.upstreams.items() if drains(upstream))
    return LeavePolicy(drained, settings.server.leave_drain_s, settings.server.leave_drains)


def drains(upstream: Upstream) -> bool:
    """Whether an answer that nobody waits for any more is read to its end."""
    return upstream.on_client_leave == "drain" or (not upstream.on_client_leave and not upstream.free)
