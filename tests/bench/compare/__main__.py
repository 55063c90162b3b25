"""``python -m tests.bench.compare``: run the comparison, or report one that was kept."""

import argparse
import sys
from collections.abc import Sequence
from urllib.parse import urlsplit

import msgspec

from tests.bench.compare import kit, results
from tests.bench.compare.cases import cases
from tests.bench.compare.gateway import StartError
from tests.bench.compare.plot import plot
from tests.bench.compare.report import report
from tests.bench.compare.run import run

KEPT = kit.CACHE / "compare.json"
GROWTH = kit.CACHE / "growth.json"
DOCS = kit.ROOT / "docs/benchmarks.md"
LOOPBACK = ("127.0.0.1", "localhost")
INTRODUCTION = """\
# Benchmarks

What Lodestar costs beside what one would pick instead: the LiteLLM proxy and the Portkey gateway; with nginx
(`proxy_pass`) as the limit, and with a bare relay in Python as the yardstick. `make bench` runs the comparison,
`make bench-docs` runs it and writes this page. Figures of a machine are that machine's; ratios carry further.
Another gateway takes part when it runs on this machine: `make bench BENCH="--upstream-port 18080 --also
NAME=http://127.0.0.1:PORT"`, where it serves OpenAI's dialect below `/v1` and knows the models `1k`, `100k`, `fast`,
`paced`, `brief` and `long`, each at the base URL `http://127.0.0.1:18080/<model>/v1`.

![requests a second, CPU and latency, on logarithmic scales](benchmarks.svg)

"""


def main(arguments: Sequence[str]) -> int:
    options = _read(arguments)
    try:
        found = results.read(KEPT) if options.kept else run(options)
    except (kit.MissingError, StartError, OSError, msgspec.ValidationError) as error:
        sys.stderr.write(f"bench: {error}\n")
        return 1
    results.write(KEPT, found)
    if GROWTH.exists():
        growth = msgspec.json.decode(GROWTH.read_bytes(), type=list[results.Growth])
        found = msgspec.structs.replace(found, growth=growth)
    told = report(found)
    sys.stdout.write(told)
    if options.docs:
        DOCS.write_text(INTRODUCTION + told)
        DOCS.with_suffix(".svg").write_text(plot(found))
    return 0


def _read(arguments: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="make bench BENCH=", description=__doc__)
    add = parser.add_argument
    add("--quick", action="store_true", help="the main cases in one round, under a minute")
    add("--rounds", type=int, default=3, help="how often the servers take turns")
    add("--seconds", type=int, default=1, help="how long each is loaded in a turn")
    add("--only", action="append", default=[], choices=[case.name for case in cases((), quick=False)])
    add("--without", action="append", default=[], metavar="SERVER", help="leave this one out")
    add(
        "--also",
        action="append",
        default=[],
        type=_other,
        metavar="NAME=URL",
        help="a gateway that runs on this machine",
    )
    add("--upstream-port", type=int, default=0, help="where the canned upstream listens, for --also")
    add("--docs", action="store_true", help="write docs/benchmarks.md too")
    add("--kept", action="store_true", help="report the last run again, instead of a new one")
    options = parser.parse_args(arguments)
    if options.quick:
        options.rounds = 1
    return options


def _other(text: str) -> tuple[str, int]:
    """``NAME=http://127.0.0.1:PORT``: it must know the models that ``asks.ANSWERS`` names."""
    name, _, url = text.partition("=")
    parts = urlsplit(url)
    if not name or parts.scheme != "http" or parts.hostname not in LOOPBACK or not parts.port:
        raise argparse.ArgumentTypeError(f"{text!r} is not NAME=http://127.0.0.1:PORT")
    return name, parts.port


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
