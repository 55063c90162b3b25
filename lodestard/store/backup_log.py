"""What the ledger's log (``ledger-log/*.jsonl``) says was charged after a moment: where the ledger itself is gone.

Law: only reads; a line that can't be read is passed over, so it is the least that was charged. Blocks.
"""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import msgspec

MS_PER_S = 1_000


class _Line(msgspec.Struct):
    at: str
    event: str
    cost_nano_usd: int = 0


def sum_log(folder: Path, since_ms: int) -> tuple[int, int] | None:
    """How many attempts, and nano-USD; None where there is no log of that time."""
    since = datetime.fromtimestamp(since_ms / MS_PER_S, UTC)
    first = (since - timedelta(days=1)).date().isoformat()  # the files' days are those of some zone
    try:
        files = [path for path in sorted(folder.glob("ledger-*.jsonl")) if path.stem.removeprefix("ledger-") >= first]
    except OSError:
        return None
    if not files:
        return None
    costs = [line.cost_nano_usd for path in files for line in _attempts(path) if line.at > _moment(since)]
    return len(costs), sum(costs)


def _attempts(path: Path) -> Iterator[_Line]:
    decoder = msgspec.json.Decoder(_Line)
    try:
        with path.open("rb") as file:
            for text in file:
                try:
                    line = decoder.decode(text)
                except (ValueError, RecursionError):
                    continue
                if line.event == "attempt":
                    yield line
    except OSError:
        return


def _moment(when: datetime) -> str:
    return f"{when.strftime('%Y-%m-%dT%H:%M:%S')}.{when.microsecond // 1_000:03d}Z"
