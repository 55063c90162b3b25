"""The servers take turns: every round loads each once, so that each round gives one ratio of neighbours in time.

A turn of a closed loop must be long beside one answer, or what is under way at its end distorts it: a slow server
gets longer turns. A server that failed a case's check, or a load, is left out of that row and said why; one that took
longer than ``PATIENT_S`` for a turn (it could not keep up) has had its only turn in that row.
"""

import math
import sys
import time
from collections.abc import Mapping, Sequence

from tests.bench.compare.cases import Case, Entrant, load
from tests.bench.compare.check import WrongError, check
from tests.bench.compare.gateway import Gateway
from tests.bench.compare.loads import LoadFailedError
from tests.bench.compare.results import Row, Shot

PATIENT_S = 15.0
LEAST_ANSWERS = 10  # that a connection should get in a turn
LONGEST_TURN_S = 10


def say(words: str) -> None:
    sys.stderr.write(f"{words}\n")
    sys.stderr.flush()


def measure(case: Case, connections: int, servers: Mapping[str, Gateway], rounds: int, seconds: int) -> Row:
    """One row of a case's table."""
    failed: dict[str, str] = {}
    taking_part = [entrant for entrant in case.entrants if entrant.server in servers]
    taking_part = [entrant for entrant in taking_part if _is_right(entrant, servers[entrant.server], failed)]
    done: set[str] = set()
    turn_s = {entrant.label: seconds for entrant in taking_part}
    found = []
    for number in range(rounds):
        turn: Sequence[Entrant] = taking_part if number % 2 == 0 else taking_part[::-1]
        shots = {}
        for entrant in turn:
            if entrant.label in done or entrant.label in failed:
                continue
            server, started_s = servers[entrant.server], time.perf_counter()
            try:
                shots[entrant.label] = shoot(case, entrant, server, connections, turn_s)
            except LoadFailedError as error:
                failed[entrant.label] = str(error)
                say(f"  {entrant.label} failed: {error}")
            if time.perf_counter() - started_s > PATIENT_S:
                done.add(entrant.label)
            server.settle()
        found.append({entrant.label: shots[entrant.label] for entrant in taking_part if entrant.label in shots})
    say(f"measured {case.name} at {connections}")
    return Row(case.name, case.title, case.unit, connections, found, failed)


def _is_right(entrant: Entrant, server: Gateway, failed: dict[str, str]) -> bool:
    try:
        check(server.port, server.ask(entrant.want), entrant.want)
    except (OSError, WrongError) as error:
        failed[entrant.label] = str(error)
        say(f"  {entrant.label} is left out: {error}")
        return False
    return True


def shoot(case: Case, entrant: Entrant, server: Gateway, connections: int, turn_s: dict[str, int]) -> Shot:
    """Load one server once; once more, and from now on, for longer where that was too short for it."""
    while True:
        before_s, lasts_s = server.cpu_s(), turn_s[entrant.label]
        seen = load(case, entrant, server, connections, lasts_s)
        after_s = server.cpu_s()
        turn_s[entrant.label] = lasts_s if case.kind != "closed" else long_enough_s(seen.p50_ms / 1000, lasts_s)
        if turn_s[entrant.label] == lasts_s:
            break
        server.settle()
    if not seen.count:
        raise LoadFailedError(f"no answer within {lasts_s} s")
    cpu_us = None if before_s is None or after_s is None else (after_s - before_s) * 1e6 / seen.count
    return Shot(seen.count / seen.seconds, seen.p50_ms, seen.p99_ms, cpu_us, seen.first_ms, seen.unfinished)


def long_enough_s(answer_s: float, lasted_s: int) -> int:
    """How long a turn should be where an answer takes ``answer_s`` and the last turn ``lasted_s``."""
    return max(lasted_s, min(LONGEST_TURN_S, math.ceil(answer_s * LEAST_ANSWERS)))
