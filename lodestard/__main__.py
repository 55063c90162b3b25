"""argv → configuration → trio.run. The only place that knows the list of modules."""

import argparse
import gc
import sys
from collections.abc import Sequence
from pathlib import Path

from lodestard import __version__
from lodestard.module import Module
from lodestard.modules import alerts, backup, eval_idle, gpu, health, ledger_log, metrics, reconcile, statusline

MODULES: tuple[Module, ...] = (
    alerts.MODULE,
    backup.MODULE,
    eval_idle.MODULE,
    gpu.MODULE,
    health.MODULE,
    ledger_log.MODULE,
    metrics.MODULE,
    reconcile.MODULE,
    statusline.MODULE,
)

EXIT_OK = 0
EXIT_FAILURE = 1
EXIT_USAGE = 2  # argparse's own
EXIT_CONFIG = 78  # sysexits.h's EX_CONFIG: systemd does not restart into the same mistake
EXIT_INTERRUPTED = 130


def main(argv: Sequence[str] | None = None) -> int:
    """The command ``lodestard``. Returns the exit status."""
    arguments = parse(sys.argv[1:] if argv is None else argv)
    try:
        return _run(arguments)
    except KeyboardInterrupt:  # also while what is needed is still being imported
        return EXIT_INTERRUPTED


def _run(arguments: argparse.Namespace) -> int:
    if arguments.verify_ledger is not None:
        from lodestard.offline import verify_ledger

        return verify_ledger(arguments.verify_ledger, arguments.config, MODULES, as_json=arguments.json)
    if arguments.backup is not None:
        from lodestard.restoring import run_backup

        return run_backup(arguments.backup, arguments.config, MODULES)
    if arguments.check or arguments.doctor:
        from lodestard import offline

        run = offline.check if arguments.check else offline.doctor
        return run(arguments.config, MODULES, as_json=arguments.json)
    gc.disable()  # a fifth of the start otherwise; daemon.spare_the_collector turns it on again
    try:
        from lodestard.start import start

        return start(arguments, MODULES)
    finally:
        gc.enable()


def parse(argv: Sequence[str]) -> argparse.Namespace:
    """The arguments; exits with status 2 where they are wrong."""
    return option_parser().parse_args(argv)


def option_parser() -> argparse.ArgumentParser:
    """What ``--help`` and the manual page are made from."""
    parser = argparse.ArgumentParser(
        prog="lodestard",
        description="A gateway for language models: free local models first, exact money, one port for every client.",
        epilog="Control a running one with lodestarctl.",
        allow_abbrev=False,
    )
    parser.add_argument("--version", action="version", version=f"lodestard {__version__}")
    parser.add_argument("--config", type=Path, metavar="FILE", help="the configuration (TOML)")
    parser.add_argument("--demo", action="store_true", help="serve a simulated upstream; needs no GPU and no key")
    parser.add_argument("--listen", metavar="HOST:PORT", help="listen here instead of where the configuration says")
    parser.add_argument("--check", action="store_true", help="check the configuration and exit")
    parser.add_argument("--doctor", action="store_true", help="say what is wrong and how to mend it, and exit")
    parser.add_argument("--verify-ledger", nargs="?", const="", metavar="FILE", help="check the ledger and exit")
    parser.add_argument("--json", action="store_true", help="with --check, --doctor, --verify-ledger: as JSON")
    parser.add_argument(
        "--backup",
        nargs=argparse.REMAINDER,
        metavar="WHAT",
        help="now, list, verify or restore backups without a daemon, and exit (lodestarctl backup does it for you)",
    )
    return parser


if __name__ == "__main__":
    sys.exit(main())
