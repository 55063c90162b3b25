"""``python -m lodestard.simulator``: simulated upstreams on ports, until SIGINT or SIGTERM.

Prints one line per listener once all accept connections. Without any port option it opens all of them, Ollama on
its own port 11434 and the others on free ones.
"""

import argparse
import signal
import sys
from collections.abc import Sequence

import trio

from lodestard.simulator.paid.providers import AdminHabits
from lodestard.simulator.world import KINDS, Listener, open_simulators, simulate

_OLLAMA_PORT = 11434


def read_arguments(argv: Sequence[str]) -> argparse.Namespace:
    """Exits with status 2 on a usage error."""
    parser = argparse.ArgumentParser(prog="python -m lodestard.simulator", description="Simulated model upstreams.")
    for kind in KINDS:
        parser.add_argument(f"--{kind}-port", type=int, metavar="PORT", help=f"serve {kind} here; 0: a free port")
    parser.add_argument("--profile", choices=("demo", "instant", "t600"), default="demo", help="how fast it is")
    parser.add_argument("--host", default="127.0.0.1", help="the address to listen on")
    admin = parser.add_argument_group("administration", "what paid providers say they billed, by UTC day")
    admin.add_argument("--admin-key", metavar="KEY", help="the one key that opens it (default: any sk-admin…)")
    admin.add_argument("--admin-page-buckets", type=int, default=180, metavar="N", help="days to a page at most")
    admin.add_argument(
        "--admin-extra-cents",
        type=int,
        default=0,
        metavar="N",
        help="an untruth: so much more on each day with traffic",
    )
    return parser.parse_args(argv)


def choose_listeners(arguments: argparse.Namespace) -> list[Listener]:
    """The listeners that were asked for, or all where none was."""
    ports = {kind: getattr(arguments, f"{kind}_port") for kind in KINDS}
    if all(port is None for port in ports.values()):
        ports = {kind: _OLLAMA_PORT if kind == "ollama" else 0 for kind in KINDS}
    return [Listener(kind=kind, port=port, host=arguments.host) for kind, port in ports.items() if port is not None]


async def run(arguments: argparse.Namespace) -> None:
    """Serves until a signal asks to stop."""
    admin = AdminHabits(
        key=arguments.admin_key,
        page_buckets=arguments.admin_page_buckets,
        extra_cents=arguments.admin_extra_cents,
    )
    simulators = {where: simulate(where, arguments.profile, admin=admin) for where in choose_listeners(arguments)}
    with trio.open_signal_receiver(signal.SIGINT, signal.SIGTERM) as signals:
        async with open_simulators(simulators) as opened:
            for upstream in opened:
                print(f"simulator: {upstream.kind} on {upstream.url}", flush=True)  # noqa: T201  its one output
            await signals.__anext__()


def main(argv: Sequence[str] | None = None) -> None:
    """Ends with status 1 and one line where an address can't be bound."""
    try:
        trio.run(run, read_arguments(sys.argv[1:] if argv is None else argv))
    except* OSError as group:
        sys.exit(f"simulator: {group.exceptions[0]}")


if __name__ == "__main__":
    main()
