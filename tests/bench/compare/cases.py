"""What is compared: the cases, who takes part in each, and the load of each. Data, but for ``load``."""

from dataclasses import dataclass, field
from typing import Literal

from tests.bench.compare import loads
from tests.bench.compare.asks import FALLBACK, PAID, Want
from tests.bench.compare.check import EVENTS, PLAIN_BYTES
from tests.bench.compare.gateway import Gateway
from tests.bench.compare.loads import Seen

Kind = Literal["closed", "rate", "streams"]
US, DISK_TIER, RELAY, NGINX, DIRECT = "lodestard", "lodestard (disk tier)", "relay", "nginx", "direct"
GATEWAYS = (US, "portkey", "litellm")
EVERYBODY = (DIRECT, NGINX, RELAY, *GATEWAYS)
RATE_PER_S = 100
STREAMS = 200
STAGGER_MS = 1_000
EVENT_BYTES = 100


@dataclass(frozen=True)
class Entrant:
    """A server in a case, and what is asked of it. ``label`` is its name in the table."""

    label: str
    server: str
    want: Want


@dataclass(frozen=True)
class Case:
    """``connections`` are the rows of its table; ``seconds`` stretches the load beyond what the command line says."""

    name: str
    title: str
    kind: Kind
    entrants: tuple[Entrant, ...]
    connections: tuple[int, ...] = (1,)
    unit: str = "requests/s"
    stretch: int = 1
    quick: tuple[int, ...] = field(default=())


def _all(want: Want, servers: tuple[str, ...] = EVERYBODY) -> tuple[Entrant, ...]:
    return tuple(Entrant(server, server, want) for server in servers)


def cases(others: tuple[str, ...], *, quick: bool) -> list[Case]:
    """All cases, or the short ones; ``others`` are gateways that were named on the command line."""
    everybody = (*EVERYBODY, *others)
    falling = _all(Want("1k", FALLBACK), (NGINX, *GATEWAYS, *others))
    paced = Want("brief" if quick else "paced")
    cached = Want("1k", cached=True)
    plain, large = _all(Want("1k"), everybody), _all(Want("100k"), everybody)
    paying = (*_all(Want("1k"), (US,)), Entrant(f"{US}, paid", US, Want("1k", PAID)))
    keeping = (*_all(Want("1k"), (RELAY,)), *_all(cached, GATEWAYS), Entrant(DISK_TIER, DISK_TIER, cached))
    rate_title = f"The same at {RATE_PER_S} requests a second on one connection"
    paced_title = f"{STREAMS} streams at once, each of {EVENTS[paced.answer]} events at 50 a second"
    long_title = "One stream of 10,000 events of 64 bytes at full speed"
    all_cases = [
        Case("plain-1k", "Plain, 1 KB asked and 1 KB answered", "closed", plain, (1, 8, 32, 256), quick=(1, 32)),
        Case("latency", rate_title, "rate", plain, stretch=2),
        Case("plain-100k", "Plain, 100 KB asked and 100 KB answered", "closed", large, (1, 32)),
        Case(
            "stream", "Streamed: 200 events at full speed", "closed", _all(Want("fast"), everybody), (1, 32),
            unit="answers/s",
        ),
        Case("paced", paced_title, "streams", _all(paced, everybody), (STREAMS,), unit="events/s", quick=(STREAMS,)),
        Case("long", long_title, "streams", _all(Want("long"), everybody), unit="events/s", quick=(1,)),
        Case("cached", "Answered from the cache (the relay asks upstream)", "closed", keeping, (1, 32), quick=(1,)),
        Case("fallback", "The first upstream refuses, the second answers", "closed", falling, (1, 32)),
        Case("paid", "Paid, with a durable hold before each request", "closed", paying, (1, 32, 256)),
    ]  # fmt: skip
    return [case for case in all_cases if case.quick] if quick else all_cases


def load(case: Case, entrant: Entrant, server: Gateway, connections: int, seconds: int) -> Seen:
    """Load ``server`` once. Raises ``LoadFailedError``."""
    ask, answer = server.ask(entrant.want), entrant.want.answer
    if case.kind == "rate":
        return loads.fixed_rate(server.port, ask, RATE_PER_S, seconds * case.stretch)
    if case.kind == "streams":
        many = connections > 1
        return loads.streams(server.port, ask, connections, STAGGER_MS * many, 0 if many else seconds * 1000)
    least_bytes = PLAIN_BYTES.get(answer) or EVENTS[answer] * EVENT_BYTES
    return loads.closed_loop(server.port, ask, connections, seconds * case.stretch, least_bytes)
