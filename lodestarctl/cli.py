"""From the words on the command line to an exit status.

Law: every way out has its status, and nothing but data ever reaches standard output. What is imported here is what
every start costs.
"""

import os
import sys
from argparse import Namespace
from collections.abc import Callable, Sequence
from importlib import import_module

from msgspec.structs import replace

from lodestarctl import exit_codes
from lodestarctl.output import Output, terminal_width
from lodestarctl.parser import group_help, main_parser, read_options
from lodestarctl.session import Session
from lodestarctl.table import MODULE_OF_GROUP, find_command, group_members, is_command
from lodestarctl.usage import UsageError
from lodestard.control.client import ControlClient, ControlError, DaemonNotRunning, socket_paths
from lodestard.control.messages import Code, Refusal, write_refusal

Run = Callable[[Session], int]


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command. Returns the exit status; never raises but ``SystemExit`` from ``--help`` and usage."""
    for stream in (sys.stdout, sys.stderr):
        stream.reconfigure(errors="replace")  # type: ignore[union-attr]
    try:
        status = _main(list(sys.argv[1:] if argv is None else argv))
        sys.stdout.flush()
    except BrokenPipeError:
        return _reader_left()
    except KeyboardInterrupt:
        return exit_codes.INTERRUPTED
    return status


def _reader_left() -> int:
    """Whoever read our output had enough. Nothing failed; Python's own flush at exit must not fail either."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return exit_codes.OK


def _main(words: list[str]) -> int:
    parser = main_parser()
    args = parser.parse_args(words)
    if args.version:
        from lodestard import __version__

        sys.stdout.write(f"lodestarctl {__version__}\n")
        return exit_codes.OK
    if not args.words:
        sys.stderr.write(parser.format_help())
        return exit_codes.USAGE
    run, args = _choose(args)
    return _guarded(run, _open_session(args))


def _choose(args: Namespace) -> tuple[Run, Namespace]:
    alone = group_members(args.words[0]) and not is_command(args.words[0])
    if args.words[1:] in (["-h"], ["--help"]) and alone:
        sys.stdout.write(group_help(args.words[0]))
        raise SystemExit(exit_codes.OK)
    found = find_command(args.words)
    if found is None:
        return import_module("lodestarctl.commands.generic").run, args
    command, rest = found
    module = import_module(f"lodestarctl.commands.{command.module}")
    return module.run, read_options(command, rest, args)


def _open_session(args: Namespace) -> Session:
    if args.config and not args.socket and not os.environ.get("LODESTAR_SOCKET"):
        from pathlib import Path

        from lodestarctl.named_socket import socket_of

        args.socket = socket_of(Path(args.config))
    paths = (args.socket,) if args.socket else socket_paths(os.environ, os.getuid())
    colour = not args.no_color and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"
    output = Output(sys.stdout, sys.stderr, json=args.json, colour=colour, width=terminal_width())
    return Session(args, ControlClient(paths), output, sys.stdin)


def _guarded(run: Run, session: Session) -> int:
    """Turn what went wrong into a message and a status."""
    try:
        return run(session)
    except DaemonNotRunning as error:
        _tell_why_not(session, str(error))
        return exit_codes.NOT_RUNNING
    except ControlError as error:
        _complain(session.output, _with_advice(error.refusal, session.args.words))
        _tell_what_systemd_knows(session, error.code)
        return exit_codes.exit_code_of(error.code)
    except UsageError as error:
        _complain(session.output, Refusal(code=Code.INVALID_REQUEST.value, message=str(error)))
        return exit_codes.USAGE
    except UnicodeError:  # of a word or of standard input; what it says would quote it
        _complain(session.output, Refusal(code=Code.INVALID_REQUEST.value, message="what was given is no UTF-8 text"))
        return exit_codes.USAGE


def _tell_why_not(session: Session, message: str) -> None:
    """Nobody answers; systemd may know why."""
    from lodestarctl import service

    shown = service.look() if service.is_ours_to_ask(session.args.socket) else {}
    if shown:  # it is the machine's, so the places of others are no news
        message = f"{message.partition(': nobody listens')[0].rstrip('.')}."
    _complain(session.output, Refusal(code="not_running", message=f"{message} {service.explain(shown)}".rstrip()))
    if not session.output.json:
        for line in service.advise(shown, service.last_words() if shown else ""):
            session.output.say(line)


def _tell_what_systemd_knows(session: Session, code: str) -> None:
    """Where nobody answered in time: its socket takes questions also while it can't start."""
    from lodestarctl import service

    silent = code == Code.REQUEST_TIMEOUT and not session.output.json
    if silent and session.args.words[0] != "status" and service.is_ours_to_ask(session.args.socket):
        service.tell_silence(session.output.say)


def _with_advice(refusal: Refusal, words: Sequence[str]) -> Refusal:
    """A command of ours that the daemon does not know belongs to a module that is off, or to a newer daemon."""
    if refusal.param != "verb" or find_command(list(words)) is None:
        return refusal
    module = MODULE_OF_GROUP.get(words[0], words[0])
    advice = f"Its module is off ([modules.{module}] enabled = true turns it on), or the daemon is older."
    return replace(refusal, message=f"{refusal.message} {advice}")


def _complain(output: Output, refusal: Refusal) -> None:
    if output.json:
        output.say(write_refusal(refusal).decode())
        return
    output.say(f"lodestarctl: {refusal.message}")
    if refusal.retry_after_s is not None:
        output.say(f"Try again in {refusal.retry_after_s:.0f} s.")
