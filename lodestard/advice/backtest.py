"""``python -m lodestard.advice.backtest``: a candidate policy over a ledger, as lines of JSON on standard output.

Law: a process of its own, so that the daemon's loop only passes lines on. It reads its job from standard input, sees
one moment of the ledger's file and changes nothing; what is wrong is one line on stderr.
"""

import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

import msgspec

from lodestard.advice.past import count_past, read_hardness, read_paces, read_past
from lodestard.advice.replay import Known, Replay
from lodestard.advice.unknowns import say_unknowns
from lodestard.control.messages.advice import BacktestItem, BacktestReport
from lodestard.domain.errors import HouseFault
from lodestard.domain.feedback import Cell
from lodestard.domain.price import Quote
from lodestard.domain.settings import Settings
from lodestard.protocols.codecs import CODECS
from lodestard.routing.catalog import Catalog, build_catalog
from lodestard.store.snapshot import Snapshot, open_snapshot

ROWS_A_LINE = 2_000
MOST_MOVES = 30


class Job(msgspec.Struct, frozen=True, kw_only=True):
    """A backtest to be made: of the requests received in [``since_ms``, ``until_ms``) of the ledger in ``file``."""

    file: str
    name: str
    since_ms: int
    until_ms: int
    now_ms: int
    timezone: str
    running: Settings
    candidate: Settings
    quotes: Mapping[str, Quote] = {}
    judged: Mapping[str, tuple[Cell, ...]] = {}


def main() -> int:
    """The exit code: 0, or 1 where the file can't be read."""
    job = msgspec.json.decode(sys.stdin.buffer.read(), type=Job)
    try:
        with open_snapshot(Path(job.file)) as snapshot:
            for item in backtest(job, snapshot):
                sys.stdout.buffer.write(msgspec.json.encode(item) + b"\n")
                sys.stdout.buffer.flush()
    except HouseFault as fault:
        sys.stderr.write(f"{fault.message}\n")
        return 1
    except BrokenPipeError:
        sys.stderr.close()  # whoever read has left; there is nobody to tell
        return 1
    return 0


def backtest(job: Job, snapshot: Snapshot) -> Iterator[BacktestItem]:
    """How far it is, then the report. Raises ``HouseFault``."""
    span = (job.since_ms, job.until_ms)
    total = count_past(snapshot, *span)
    yield BacktestItem(total=total)
    known = Known(
        paces=read_paces(snapshot, *span),
        hardness=read_hardness(snapshot, *span),
        judged=job.judged,
        timezone=job.timezone,
    )
    candidate = _catalog(job, job.candidate)
    replay = Replay(_catalog(job, job.running), candidate, known)
    for done, past in enumerate(read_past(snapshot, *span), start=1):
        replay.add(past)
        if done % ROWS_A_LINE == 0:
            yield BacktestItem(done=done, total=total)
    yield BacktestItem(done=total, total=total, report=report_of(job, replay, candidate))


def _catalog(job: Job, settings: Settings) -> Catalog:
    return build_catalog(settings, frozenset(CODECS), job.quotes, job.now_ms)


def report_of(job: Job, replay: Replay, candidate: Catalog) -> BacktestReport:
    """Pure."""
    tally = replay.tally
    moves = tally.moves()
    return BacktestReport(
        name=job.name,
        since_ms=job.since_ms,
        until_ms=job.until_ms,
        timezone=job.timezone,
        requests=tally.requests,
        kept=tally.kept,
        failed=tally.failed,
        changed=tally.changed,
        refused=tally.refused,
        drifted=tally.drifted,
        hardness_known=tally.hardness_known,
        recorded=tally.recorded.figures(),
        candidate=tally.candidate.figures(),
        moves=tuple(moves[:MOST_MOVES]),
        other_moves=max(0, len(moves) - MOST_MOVES),
        notes=tuple(say_unknowns(tally, candidate.rules)),
    )


if __name__ == "__main__":
    sys.exit(main())
