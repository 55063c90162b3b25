"""One run: start what is installed, let the servers take turns, keep what was found.

Whoever can't be started is told about and left out; a run without nginx, Portkey or LiteLLM is still a run.
"""

import argparse
import os
import platform
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import msgspec

from tests.bench.compare import kit, memory, procs, setups
from tests.bench.compare.asks import Want, by_model
from tests.bench.compare.cases import DISK_TIER, US, cases
from tests.bench.compare.gateway import Gateway, Setup, StartError, refused_port
from tests.bench.compare.loads import LoadFailedError, closed_loop
from tests.bench.compare.results import About, Results, Row
from tests.bench.compare.rounds import measure, say
from tests.bench.compare.versions import machine, versions
from tests.fakes.ports import free_port

REST_S = 0.7
STARTS = 3
QUICK_START_S = 3.0
WARM_CONNECTIONS = 8
WARM_BYTES = 500
DISK_CACHE = "memory_bytes = 1  # so that every answer comes from the disk"


@dataclass
class Field:
    """Who is running, and what is known of each."""

    servers: dict[str, Gateway] = field(default_factory=dict)
    about: dict[str, About] = field(default_factory=dict)


def run(options: argparse.Namespace) -> Results:
    """Compare. Raises ``MissingError`` where what every case needs is not there."""
    for needed in ("wrk", "h2load"):
        kit.find(needed)
    kit.compiled("streams")
    memory.allow_connections()
    load_before, ticks_before = os.getloadavg()[0], _steal_ticks()
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="lodestar-bench-")))
        field_ = stack.enter_context(_everybody(folder, options))
        rows = list(_rows(field_, options))
        about = [_look_again(server, field_) for server in field_.about.values()]
    steal = [after - before for after, before in zip(_steal_ticks(), ticks_before, strict=True)]
    return Results(
        date=datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
        machine=machine(),
        load_before=load_before,
        load_after=os.getloadavg()[0],
        steal_percent=100 * steal[0] / max(1, steal[1]),
        seconds=options.seconds,
        rounds=options.rounds,
        versions=versions() | {"python": platform.python_version()},
        servers=about,
        rows=rows,
    )


def _steal_ticks() -> tuple[int, int]:
    """What others on the host took of this machine's CPUs, and all, since boot."""
    ticks = list(map(int, Path("/proc/stat").read_text().splitlines()[0].split()[1:]))
    return ticks[7], sum(ticks[:8])


@contextmanager
def _everybody(folder: Path, options: argparse.Namespace) -> Iterator[Field]:
    with ExitStack() as stack:
        field_ = Field()
        upstream = setups.upstream(options.upstream_port or free_port())
        place = setups.Place(folder, upstream.port, stack.enter_context(refused_port()))
        makers: dict[str, Callable[[], Setup]] = {
            upstream.name: lambda: upstream,
            "nginx": lambda: setups.nginx(place),
            "relay": lambda: setups.relay(place),
            US: lambda: setups.lodestard(place),
            DISK_TIER: lambda: setups.lodestard(place, DISK_TIER, DISK_CACHE),
            "portkey": lambda: setups.portkey(place),
            "litellm": lambda: setups.litellm(place),
        }
        for name, make in makers.items():
            if name in options.without or (options.quick and name == DISK_TIER):
                continue
            _start(name, make, field_, stack, options)
        for name, port in options.also:
            field_.servers[name] = Gateway(name, port, by_model, procs.listener_pid(port))
            field_.about[name] = About(name)
        for server in field_.servers.values():
            _warm(server, options.seconds, field_)
        yield field_


def _start(
    name: str, make: Callable[[], Setup], field_: Field, stack: ExitStack, options: argparse.Namespace
) -> None:
    """Start it as often as its time to ready is wanted; the last one stays."""
    ready_s: list[float] = []
    folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="lodestar-bench-")))
    try:
        setup = make()
        while len(ready_s) < (1 if options.quick else STARTS) - 1 and max(ready_s, default=0.0) < QUICK_START_S:
            with setup.started(folder) as server:
                ready_s.append(server.ready_s or 0.0)
        server = stack.enter_context(setup.started(folder))
    except (kit.MissingError, StartError) as error:
        say(f"{name} is left out: {error}")
        field_.about[name] = About(name, missing=str(error).splitlines()[0])
        return
    ready_s.append(server.ready_s or 0.0)
    time.sleep(REST_S)
    rest_mb = None if server.pid is None else procs.memory_mb(server.pid)
    field_.servers[name] = server
    field_.about[name] = About(name, ready_s=ready_s, rest_mb=rest_mb)
    say(f"{name} was ready after {ready_s[-1]:.2f} s")


def _warm(server: Gateway, seconds: int, field_: Field) -> None:
    """Load it a little, so that what it does once is done, and see what a connection costs it."""
    about, idle_kib = field_.about[server.name], None
    with suppress(LoadFailedError):  # the first case's check tells what is wrong
        closed_loop(server.port, server.ask(Want("1k")), WARM_CONNECTIONS, seconds, WARM_BYTES)
    server.settle()
    try:
        idle_kib = None if about.name == DISK_TIER else memory.idle_kib(server)
    except OSError as error:
        say(f"{about.name}: its idle connections can't be measured: {error}")
    field_.about[server.name] = msgspec.structs.replace(about, idle_kib=idle_kib)


def _rows(field_: Field, options: argparse.Namespace) -> Iterator[Row]:
    others = tuple(name for name, _ in options.also)
    for case in cases(others, quick=options.quick):
        if options.only and case.name not in options.only:
            continue
        for connections in case.quick if options.quick else case.connections:
            yield measure(case, connections, field_.servers, options.rounds, options.seconds)


def _look_again(about: About, field_: Field) -> About:
    """What a server used at the most."""
    server = field_.servers.get(about.name)
    if server is None or server.pid is None:
        return about
    return msgspec.structs.replace(about, peak_mb=procs.memory_mb(server.pid, peak=True))
