"""``lodestarctl project trust [DIR]``: shows what the file would do, asks, and trusts just that."""

from lodestarctl import exit_codes
from lodestarctl.project.finding import find_project
from lodestarctl.render.projects import render_project
from lodestarctl.session import Session
from lodestard.control.messages.projects import ProjectReport

YES = ("y", "yes")


def run(session: Session) -> int:
    args = session.args
    found = find_project(args.dir or "")
    looked = session.client.ask("project.look", {"folder": found.folder, "text": found.text}, ProjectReport)
    if not session.output.json or looked.faults:
        session.output.show(render_project(looked))
    if looked.faults:
        return exit_codes.FAILURE
    if not args.yes and not agreed(session):
        session.output.say("Nothing was trusted.")
        return exit_codes.FAILURE
    wanted = {"folder": found.folder, "text": found.text, "sha256": looked.sha256}
    session.report("project.trust", wanted, ProjectReport, render_project)
    return exit_codes.OK


def agreed(session: Session) -> bool:
    """Whether somebody at a terminal says yes."""
    if not session.stdin.isatty():
        session.output.say("Nobody is there to ask; --yes trusts it.")
        return False
    session.output.stderr.write("Trust it? [y/N] ")
    session.output.stderr.flush()
    return session.stdin.readline().strip().lower() in YES
