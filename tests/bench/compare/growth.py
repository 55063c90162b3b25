"""``make bench-growth``: what a request costs with a full ledger and a full cache, beside the same with empty ones.

Two daemons take turns, one with a new state folder, one with a ledger of ``--rows`` requests and a full cache. The
ledger is made once by its own doors (``tests/bench/ledger_rows.py``) and kept in ``.cache/bench``; the cache is
filled by asking for distinct answers. The ratios are kept for ``make bench-docs``.
"""

import argparse
import shutil
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path

import msgspec
import trio

from tests.bench.compare import kit, loads, setups
from tests.bench.compare.__main__ import GROWTH
from tests.bench.compare.asks import PAID, Ask, Want
from tests.bench.compare.check import PLAIN_BYTES
from tests.bench.compare.gateway import Gateway, StartError, refused_port
from tests.bench.compare.results import Growth, median
from tests.bench.compare.rounds import say
from tests.bench.ledger_rows import fill
from tests.fakes.ports import free_port

FULL, EMPTY = "full", "empty"
CONNECTIONS = 32
FILL_TURN_S = 20
MOST_TURNS = 60
FULL_SHARE = 0.9
LEAST_BYTES = PLAIN_BYTES["1k"]


@dataclass(frozen=True)
class Kind:
    """One kind of request, and whether each one is another."""

    what: str
    want: Want
    distinct: bool = False


KINDS = (
    Kind("a free request", Want("1k")),
    Kind("a paid request", Want("1k", PAID)),
    Kind("an answer that is kept", Want("1k", cached=True), distinct=True),
    Kind("an answer from the cache", Want("1k", cached=True)),
)


def main(arguments: Sequence[str]) -> int:
    options = _read(arguments)
    try:
        growth = run(options)
    except (kit.MissingError, StartError, loads.LoadFailedError) as error:
        sys.stderr.write(f"bench-growth: {error}\n")
        return 1
    GROWTH.parent.mkdir(parents=True, exist_ok=True)
    GROWTH.write_bytes(msgspec.json.format(msgspec.json.encode(growth)))
    sys.stdout.write("| what | size | full / empty | spread |\n|---|---|--:|--:|\n")
    for line in growth:
        spread = f"{min(line.ratios):.2f} … {max(line.ratios):.2f}"
        sys.stdout.write(f"| {line.what} | {line.size} | {median(line.ratios):.2f} | {spread} |\n")
    return 0


def _read(arguments: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="make bench-growth BENCH=", description=__doc__)
    parser.add_argument("--rows", type=int, default=1_000_000, help="requests in the ledger")
    parser.add_argument(
        "--cache-bytes", type=int, default=100_000_000, help="the cache's limit, which it is filled to"
    )
    parser.add_argument("--rounds", type=int, default=5, help="how often the two daemons take turns")
    parser.add_argument("--seconds", type=int, default=2, help="how long each is loaded in a turn")
    return parser.parse_args(arguments)


def run(options: argparse.Namespace) -> list[Growth]:
    """Raises ``MissingError``, ``StartError`` or ``LoadFailedError``."""
    ledger = _ledger_of(options.rows)
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="lodestar-bench-")))
        upstream = stack.enter_context(setups.upstream(free_port()).started(folder))
        place = setups.Place(folder, upstream.port, stack.enter_context(refused_port()))
        servers = {}
        for name in (EMPTY, FULL):
            state = folder / name / "state"
            state.mkdir(parents=True, mode=0o700)
            if name == FULL:
                shutil.copy(ledger, state / "ledger.db")
            setup = setups.lodestard(place, name, f"max_bytes = {options.cache_bytes}")
            servers[name] = stack.enter_context(setup.started(folder))
        kept_bytes = _fill_cache(servers[FULL], folder / FULL / "state/cache.db", options.cache_bytes)
        size = f"{options.rows:,} requests, a cache of {kept_bytes / 1e6:.0f} MB"
        return [growth for kind in KINDS for growth in _compare(kind, servers, size, options)]


def _ledger_of(rows: int) -> Path:
    """A ledger with so many requests; made once."""
    path = kit.CACHE / f"ledger-{rows}" / "ledger.db"
    if not path.exists():
        say(f"making a ledger of {rows:,} requests ...")
        shutil.rmtree(path.parent, ignore_errors=True)
        with tempfile.TemporaryDirectory(dir=kit.CACHE) as folder:
            unfinished = Path(folder) / "ledger.db"
            trio.run(fill, unfinished, rows)
            path.parent.mkdir()
            unfinished.rename(path)
    return path


def _fill_cache(server: Gateway, file: Path, most_bytes: int) -> int:
    """Ask for distinct answers until the cache's file is near its limit. How large it is then."""
    for turn in range(MOST_TURNS):
        size = file.stat().st_size if file.exists() else 0
        if size >= FULL_SHARE * most_bytes:
            return size
        say(f"the cache holds {size / 1e6:.0f} of {most_bytes / 1e6:.0f} MB")
        loads.closed_loop(server.port, _ask(server, KINDS[2], f"fill {turn}"), CONNECTIONS, FILL_TURN_S, LEAST_BYTES)
    raise loads.LoadFailedError(f"the cache was not full after {MOST_TURNS * FILL_TURN_S} s")


def _ask(server: Gateway, kind: Kind, turn: str) -> Ask:
    """Where each request is to be another one, the loader counts on from ``turn``."""
    ask = server.ask(kind.want)
    if not kind.distinct:
        return ask
    mark = f"{turn} {loads.COUNTED} ".encode()
    return replace(ask, body=ask.body.replace(b"Explain ", mark, 1))


def _compare(kind: Kind, servers: dict[str, Gateway], size: str, options: argparse.Namespace) -> Iterator[Growth]:
    alone: list[float] = []
    crowded: list[float] = []
    for number in range(options.rounds):
        turn = [EMPTY, FULL] if number % 2 == 0 else [FULL, EMPTY]
        one = {name: _load(servers[name], kind, 1, number, options) for name in turn}
        many = {name: _load(servers[name], kind, CONNECTIONS, number, options) for name in turn}
        alone.append(one[FULL].p50_ms / one[EMPTY].p50_ms)
        crowded.append((many[EMPTY].count / many[EMPTY].seconds) / (many[FULL].count / many[FULL].seconds))
    say(f"measured {kind.what}")
    yield Growth(f"p50 of {kind.what}, 1 connection", size, alone)
    yield Growth(f"time of {kind.what}, {CONNECTIONS} connections", size, crowded)


def _load(server: Gateway, kind: Kind, connections: int, number: int, options: argparse.Namespace) -> loads.Seen:
    ask = _ask(server, kind, f"{number} {connections}")
    seen = loads.closed_loop(server.port, ask, connections, options.seconds, LEAST_BYTES)
    server.settle()
    return seen


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
