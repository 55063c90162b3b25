"""``python -m lodestard.ledger.export FILE``: the export on standard output.

Law: reads one moment of the file, which the daemon may be writing meanwhile. What is wrong is one line on stderr.
"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from lodestard.domain.errors import HouseFault
from lodestard.ledger.aggregate import END_OF_TIME_MS
from lodestard.ledger.export.formats import LAYOUTS
from lodestard.ledger.export.names import hasher
from lodestard.ledger.export.rows import NAMED, read_rows
from lodestard.ledger.export.writing import write_rows
from lodestard.ledger.periods import quarters
from lodestard.store.snapshot import open_snapshot


def main(argv: Sequence[str] | None = None) -> int:
    """The exit code: 0, or 1 where the file can't be read."""
    asked = _parser().parse_args(argv)
    try:
        export(asked)
    except HouseFault as fault:
        sys.stderr.write(f"{fault.message}\n")
        return 1
    except BrokenPipeError:
        sys.stderr.close()  # whoever read has left; there is nobody to tell
        return 1
    return 0


def export(asked: argparse.Namespace) -> None:
    """Write it. Raises ``HouseFault``; ``OSError`` where nobody reads."""
    wanted, layout = quarters(asked.since_ms, asked.until_ms), LAYOUTS[asked.format]
    with open_snapshot(asked.file) as snapshot:
        salt = bytes.fromhex(str(snapshot.read("SELECT hex(salt) FROM export_salt")[0][0]))
        hashers = {} if asked.names else {name: hasher(salt, name) for name in NAMED}
        for chunk in write_rows(read_rows(snapshot, wanted, layout.first, layout.numbers), layout, hashers):
            sys.stdout.buffer.write(chunk)
    sys.stdout.buffer.flush()


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m lodestard.ledger.export")
    parser.add_argument("file", type=Path)
    parser.add_argument("--format", choices=tuple(LAYOUTS), default="csv")
    parser.add_argument("--since-ms", type=int, default=0)
    parser.add_argument("--until-ms", type=int, default=END_OF_TIME_MS)
    parser.add_argument("--names", action="store_true", help="names as they are, not as salted hashes")
    return parser


if __name__ == "__main__":
    sys.exit(main())
