"""Opening simulated upstreams: by name in a process of their own, or inside a nursery for demos and tests.

Law: a listener is announced only when it accepts connections; leaving closes all of them.
"""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager

import msgspec
import trio

from lodestard.simulator.answering.question import Script
from lodestard.simulator.card.figures import INSTANT, MACHINES, Machine
from lodestard.simulator.faults import FaultPlan
from lodestard.simulator.ollama.app import OllamaApp
from lodestard.simulator.paid.anthropic_app import AnthropicApp
from lodestard.simulator.paid.gemini_app import GeminiApp
from lodestard.simulator.paid.openai_app import OpenAIApp
from lodestard.simulator.paid.providers import PROVIDERS, AdminHabits, Provider
from lodestard.simulator.server import Simulator
from lodestard.simulator.walltime import WallNs, system_wall_ns

_HONEST = AdminHabits()
_APPS: Mapping[str, type[AnthropicApp | OpenAIApp]] = {"anthropic": AnthropicApp, "gemini": GeminiApp}
KINDS = ("ollama", *PROVIDERS)
_LOOPBACK = {"127.0.0.1", "::1", "localhost"}
_PAID_PACE = {"instant": (0.0, None), "demo": (0.3, 80.0), "t600": (0.6, 60.0)}


class Listener(msgspec.Struct, frozen=True, kw_only=True):
    """One upstream to open. ``kind``: ollama, openai, xai, gemini or anthropic; port 0 takes a free one."""

    kind: str
    port: int = 0
    host: str = "127.0.0.1"


class Opened(msgspec.Struct, frozen=True):
    """An upstream that accepts connections. ``url`` has no path."""

    kind: str
    url: str
    simulator: Simulator


def simulate_ollama(
    machine: Machine = INSTANT,
    *,
    wall_ns: WallNs = system_wall_ns,
    script: Script | None = None,
    faults: FaultPlan | None = None,
) -> Simulator:
    """An Ollama server on ``machine``."""
    return Simulator(OllamaApp(machine, wall_ns=wall_ns, script=script), faults)


def simulate_provider(
    provider: Provider,
    *,
    wall_ns: WallNs = system_wall_ns,
    script: Script | None = None,
    faults: FaultPlan | None = None,
) -> Simulator:
    """A paid provider; Anthropic's dialect for the one of that name, OpenAI's for all others; Gemini has both."""
    app = _APPS.get(provider.name, OpenAIApp)
    return Simulator(app(provider, wall_ns=wall_ns, script=script), faults)


def simulate(
    where: Listener,
    profile: str = "instant",
    *,
    wall_ns: WallNs = system_wall_ns,
    admin: AdminHabits = _HONEST,
) -> Simulator:
    """The upstream for this listener at the pace of ``profile`` (demo, instant or t600). Raises ``KeyError``."""
    kind = where.kind
    if kind == "ollama":
        machine = MACHINES[profile]
        server = msgspec.structs.replace(machine.server, checks_host=where.host in _LOOPBACK)
        return simulate_ollama(msgspec.structs.replace(machine, server=server), wall_ns=wall_ns)
    first_byte_s, tokens_per_s = _PAID_PACE[profile]
    provider = msgspec.structs.replace(
        PROVIDERS[kind], first_byte_s=first_byte_s, tokens_per_s=tokens_per_s, admin=admin
    )
    return simulate_provider(provider, wall_ns=wall_ns)


@asynccontextmanager
async def open_simulators(
    listeners: Mapping[Listener, Simulator],
) -> AsyncIterator[list[Opened]]:
    """Serves each simulator on its listener for as long as the block lasts. Raises ``OSError`` on a taken port."""
    async with trio.open_nursery() as nursery:
        opened = []
        for where, simulator in listeners.items():
            port: int = await nursery.start(simulator.serve_tcp, where.host, where.port)
            host = f"[{where.host}]" if ":" in where.host else where.host
            opened.append(Opened(where.kind, f"http://{host}:{port}", simulator))
        yield opened
        nursery.cancel_scope.cancel()
