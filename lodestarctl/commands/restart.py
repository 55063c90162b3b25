"""``lodestarctl restart``: the daemon begins anew, and this waits until the new one serves.

Law: a daemon that would not start again is not stopped. Where systemd runs it, systemd restarts it: at our word where
we may, otherwise we say with what command.
"""

import os
import subprocess
import time

import msgspec

from lodestarctl import exit_codes
from lodestarctl.progress import Progress
from lodestarctl.render.blocks import Block, Note
from lodestarctl.render.findings import render_not_restarted
from lodestarctl.render.words import plural, span
from lodestarctl.session import Session
from lodestard.control.client import ControlError, DaemonNotRunning
from lodestard.control.messages import Restarted, RestartReport, Status

START_S = 30.0
POLL_S = 0.1
MISSES = 20
"""So often in a row nobody listens before it counts as gone: between two processes the socket stays open."""


def run(session: Session) -> int:
    began_s = time.monotonic()
    report = session.client.ask("restart", {}, RestartReport)
    if not report.ok:
        answer = Restarted(ok=False, faults=report.faults)
        session.show("restart", msgspec.Raw(msgspec.json.encode(answer)), Restarted, render_not_restarted)
        return exit_codes.FAILURE
    if report.unit and (status := ask_systemd(session, report.unit)) != exit_codes.OK:
        return status
    if report.moves:
        session.output.say("The control socket is elsewhere from now on; lodestarctl --socket PATH status finds it.")
        return exit_codes.OK
    found = wait_for_new(session, report)
    answer = Restarted(
        ok=True,
        by=report.unit or "itself",
        pid=found.pid,
        version=found.version,
        state=found.state,
        waited_s=round(time.monotonic() - began_s, 3),
    )
    session.show("restart", msgspec.Raw(msgspec.json.encode(answer)), Restarted, render_restarted)
    return exit_codes.OK


def ask_systemd(session: Session, unit: str) -> int:
    """Have systemd restart ``unit``; it returns when the new one is ready."""
    quiet = [] if session.output.terminal else ["--no-ask-password"]
    try:
        done = subprocess.run(  # noqa: S603 - words without a shell
            ["systemctl", *quiet, "restart", "--", unit],  # noqa: S607 - whoever runs this has it in their path
            stdout=subprocess.DEVNULL,
            check=False,
        )
    except OSError as error:
        session.output.say(f"systemctl can't be run: {error.strerror}")
        return exit_codes.FAILURE
    if done.returncode == 0:
        return exit_codes.OK
    if os.geteuid() == 0:
        session.output.say(f"systemd did not restart it; journalctl -u {unit} says why.")
        return exit_codes.FAILURE
    session.output.say(f"systemd restarts it, and you may not ask for that. As root: systemctl restart {unit}")
    return exit_codes.NOT_PERMITTED


def wait_for_new(session: Session, report: RestartReport) -> Status:
    """The first answer of the daemon that came after. Raises ``DaemonNotRunning`` where none did."""
    progress, missed = Progress(session.output), 0
    until_s = time.monotonic() + report.drain_s + START_S
    try:
        while time.monotonic() < until_s and missed < MISSES:
            try:
                status = session.client.ask("status", {}, Status)
            except (DaemonNotRunning, ControlError):
                missed += 1
                progress.tell("lodestard begins anew", "anew")
            else:
                if status.state != "draining":
                    return status
                missed = 0
                if status.exchanges:
                    left = f"{plural(status.exchanges, 'request')} under way, at most {span(report.drain_s)}"
                    progress.tell(f"waiting for the end of {left}", "drain")
            time.sleep(POLL_S)
    finally:
        progress.end()
    raise DaemonNotRunning("lodestard ended and did not come back; its log says why.")


def render_restarted(report: Restarted) -> list[Block]:
    by = "" if report.by == "itself" else f" by {report.by}"
    text = (
        f"Restarted{by} in {span(report.waited_s)}: lodestard {report.version}, process {report.pid}, {report.state}."
    )
    return [Note(text, "good" if report.state == "ready" else "warn", "✓")]
