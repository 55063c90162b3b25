"""Starts the daemon: environment, logging, configuration, then trio; and the demo with its simulated upstream.

Law: what the process inherits (environment, sockets, the journal's stream) is read here, once.
"""

import argparse
import logging
import os
import resource
import sys
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

import msgspec
import trio

from lodestard.boot import Reader, places
from lodestard.config import ConfigError, ConfigFault
from lodestard.config.check_clients import check_listen
from lodestard.config.paths import find_paths
from lodestard.daemon import Boot, run_daemon
from lodestard.demo import demo_config, run_demo
from lodestard.domain.errors import Fault
from lodestard.domain.settings import Settings
from lodestard.log import configure_logging, set_level
from lodestard.module import Module
from lodestard.panel import Places
from lodestard.restart import Successor, begin_anew, rehearse, stand_by
from lodestard.systemd import (
    EXIT_CONFIG,
    Notifier,
    SystemdExtraMissing,
    journal_stream_is,
    listen_fds,
    require_extra,
    service_unit,
    sockets_are_ours,
    watchdog_interval_s,
)

EXIT_FAILURE = 1
STDERR_FD = 2
OPEN_FILES = 32_768
"""As in the unit."""

logger = logging.getLogger(__name__)


def start(arguments: argparse.Namespace, modules: Sequence[Module]) -> int:
    """Run the daemon until it is told to stop. Returns the exit status; says on stderr why it can't start.

    Told to restart it does not return, unless a signal comes meanwhile: the process goes on as another one.
    """
    try:
        if (successor := run(arguments, modules)) is not None:
            begin_anew(successor)
    except (Exception, BaseExceptionGroup) as error:
        reason = known_reason(error)
        if reason is None and is_interrupt(error):
            raise KeyboardInterrupt from None
        if reason is None:
            raise
        logging.shutdown()
        print(f"lodestard: {reason}", file=sys.stderr)  # noqa: T201
        return EXIT_CONFIG if isinstance(reason, ConfigError | SystemdExtraMissing) else EXIT_FAILURE
    return 0


def run(arguments: argparse.Namespace, modules: Sequence[Module]) -> Successor | None:
    """Read what the process inherits, then live in trio."""
    leave_no_core()
    require_extra(os.environ)
    allow_files()
    configure_logging("info", journal=journal_stream_is(STDERR_FD))
    config_file = arguments.config or (demo_config() if arguments.demo else default_config())
    reader = Reader(config_file, os.environ, modules, partial(listen_on, address=arguments.listen))
    if arguments.demo:
        return trio.run(run_demo, reader, plan_boot)
    return trio.run(run_daemon, replace(plan_boot(reader, lambda _addresses: None), rehearse=rehearse))


def allow_files() -> None:
    """A shell allows a process far fewer open files than the machine does; every connection is one."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = OPEN_FILES if hard == resource.RLIM_INFINITY else min(OPEN_FILES, hard)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


def leave_no_core() -> None:
    """A core file would have keys and prompts in it. Who wants one raises the limit: prlimit --core=unlimited."""
    _, most = resource.getrlimit(resource.RLIMIT_CORE)
    resource.setrlimit(resource.RLIMIT_CORE, (0, most))


def plan_boot(reader: Reader, announce: Callable[[Sequence[str]], None]) -> Boot:
    """Read the configuration and say where everything is. Raises ``ConfigError``."""
    plan = reader.read_plan()
    settings = plan.loaded.settings
    for warning in plan.loaded.warnings:
        logger.warning("%s", warning)
    for upstream, why in plan.blueprint.keys_missing.items():
        logger.warning("upstream %s can't be asked: %s", upstream, why)
    set_level(settings.log.level)
    paths, unit = places(settings, reader.environ), service_unit(os.environ)
    sockets, marked = listen_fds(os.environ), sockets_are_ours(os.environ)
    return Boot(
        read_plan=reader.read_plan,
        write_change=reader.write_change,
        plan=plan,
        places=Places(reader.config_file, paths.state_dir, paths.control_socket, reader.simulated, unit),
        sockets=sockets,
        notifier=Notifier.from_environ(os.environ),
        watchdog_s=watchdog_interval_s(os.environ),
        announce=announce,
        own_sockets=marked or not sockets,
        stand_by=stand_by,
        terminal_gone=watch_terminal(STDERR_FD),
    )


def watch_terminal(fd: int) -> Callable[[], bool]:
    """Whether the terminal that ``fd`` is now has been closed since. One that never was a terminal is never gone."""
    was = os.isatty(fd)
    return lambda: was and not os.isatty(fd)


def known_reason(error: BaseException) -> BaseException | None:
    """The first thing in ``error`` that a person can mend; None where it is a defect of ours."""
    if isinstance(error, BaseExceptionGroup):
        reasons = [known_reason(inner) for inner in error.exceptions]
        return next((reason for reason in reasons if reason is not None), None)
    return error if isinstance(error, ConfigError | SystemdExtraMissing | Fault | OSError) else None


def is_interrupt(error: BaseException) -> bool:
    """Whether nothing but a Ctrl-C ended it, before anybody heeded signals."""
    return isinstance(error, BaseExceptionGroup) and error.split(KeyboardInterrupt)[1] is None


def listen_on(settings: Settings, address: str | None) -> Settings:
    """The command line's ``--listen`` before the configuration's; the same rules. Raises ``ConfigError``."""
    if not address:
        return settings
    if faults := [
        ConfigFault(key="--listen", message=found.message) for found in check_listen((), address, settings)
    ]:
        raise ConfigError(faults)
    return msgspec.structs.replace(settings, server=msgspec.structs.replace(settings.server, listen=(address,)))


def default_config() -> Path:
    return find_paths(os.environ, os.geteuid()).config_file
