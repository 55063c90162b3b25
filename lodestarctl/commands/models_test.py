"""``lodestarctl models test``: says what it can cost, asks, calls.

Law: nothing that costs money is called before a person, or ``--yes``, has said so.
"""

from lodestarctl import exit_codes
from lodestarctl.render.models import render_plans, render_results, worst_case_nano_usd
from lodestarctl.render.words import usd
from lodestarctl.session import Session
from lodestarctl.usage import UsageError
from lodestard.control.messages import TestPlans, TestResult


def run(session: Session) -> int:
    arguments = {"aliases": session.args.alias or None}
    plans = session.client.ask("models.plan", arguments, TestPlans)
    if not session.output.json:
        session.output.show(render_plans(plans))
    if not plans.calls or not _agreed(session, worst_case_nano_usd(plans)):
        return exit_codes.OK
    results: list[TestResult] = session.each("models.test", arguments, TestResult, lambda item: _tell(session, item))
    if not session.output.json:
        session.output.write("\n")
        session.output.show(render_results(results))
    return _status(results)


def _agreed(session: Session, most_nano_usd: int) -> bool:
    if session.args.yes or not most_nano_usd:
        return True
    if not session.stdin.isatty():
        raise UsageError(f"these calls cost up to {usd(most_nano_usd)}; say --yes to make them")
    session.output.stderr.write(f"These calls cost up to {usd(most_nano_usd)}. Make them? [y/N] ")
    session.output.stderr.flush()
    return session.stdin.readline().strip().lower() in ("y", "yes")


def _tell(session: Session, result: TestResult) -> None:
    """Progress, for whoever waits: the table comes at the end."""
    session.output.say(f"{result.alias}: {result.outcome}")


def _status(results: list[TestResult]) -> int:
    failed = [result.outcome for result in results if result.outcome != "ok"]
    return exit_codes.exit_code_of(failed[0]) if failed else exit_codes.OK
