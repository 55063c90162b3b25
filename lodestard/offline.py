"""What ``lodestard`` can say without running: is the configuration right, does the ledger add up, what is wrong.

Law: changes nothing. With ``--json`` the answer is the very envelope that the control socket would give, so that
``lodestarctl`` shows both alike; without it, plain lines for a terminal.
"""

import os
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TypeVar

from msgspec import Struct
from msgspec.structs import replace as edit

from lodestard.boot import Reader, places
from lodestard.config import ConfigError
from lodestard.config.paths import SYSTEM_CONFIG, find_paths
from lodestard.config.secrets import CREDENTIAL_STORE
from lodestard.control.messages import (
    ConfigProblem,
    ConfigReport,
    DoctorReport,
    LedgerVerification,
    Refusal,
    write_answer,
    write_refusal,
)
from lodestard.control.verbs.checkup import Facts, FolderFacts, look_around
from lodestard.control.verbs.doctor import examine
from lodestard.domain.clock import Clock, SystemClock
from lodestard.domain.errors import Code, Fault
from lodestard.domain.settings import KeySource, Settings
from lodestard.module import Module
from lodestard.panel import LEDGER_FILE, problems, verify_file

T = TypeVar("T", bound=Struct)
STORES = (CREDENTIAL_STORE, CREDENTIAL_STORE.replace("/credstore/", "/credstore.encrypted/"))
EXIT_OK = 0
EXIT_FAILURE = 1
EXIT_CONFIG = 78


def check(config: Path | None, modules: Sequence[Module], *, as_json: bool) -> int:
    """``lodestard --check``: every fault of the configuration at once."""
    reader = _reader(config, modules)
    try:
        loaded = reader.read_plan().loaded
    except ConfigError as error:
        report = ConfigReport(ok=False, files=(str(reader.config_file),), faults=problems(error.faults))
    else:
        report = ConfigReport(ok=True, files=(str(reader.config_file),), warnings=problems(loaded.warnings))
    _show("config.check", report, check_lines, as_json=as_json)
    return EXIT_OK if report.ok else EXIT_CONFIG


def doctor(config: Path | None, modules: Sequence[Module], *, as_json: bool) -> int:
    """``lodestard --doctor``: what can be seen to be wrong from outside, and how to mend it."""
    reader, clock = _reader(config, modules), SystemClock()
    try:
        plan = reader.read_plan()
    except ConfigError as error:
        faults = tuple(str(fault) for fault in error.faults)
        facts = edit(_nothing_seen(clock), config_faults=faults)
    else:
        settings = plan.loaded.settings
        state_dir = str(places(settings, reader.environ).state_dir)
        facts = look_around(settings, state_dir, os.environ, now_ms=clock.now_ms(), ports=True)
        facts = edit(facts, keys_missing=_missing(plan.blueprint.keys_missing, settings))
        if os.geteuid() and reader.config_file == SYSTEM_CONFIG:
            facts = edit(facts, state_dir=FolderFacts())  # it is another user's, below a folder of ours
        if plan.certificate is not None:
            facts = edit(facts, certificate=plan.certificate.file, certificate_expires_ms=plan.certificate.expires_ms)
    report = examine(facts, running=False)
    _show("doctor", report, doctor_lines, as_json=as_json)
    return EXIT_FAILURE if any(finding.severity == "error" for finding in report.findings) else EXIT_OK


def verify_ledger(file: str, config: Path | None, modules: Sequence[Module], *, as_json: bool) -> int:
    """``lodestard --verify-ledger``: does every row of the ledger add up? Reads only; the daemon may be running."""
    try:
        path = Path(file) if file else _ledger_of(_reader(config, modules))
        report = verify_file(path)
    except (ConfigError, Fault) as error:
        return _refuse(error, as_json=as_json)
    _show("ledger.verify", report, verify_lines, as_json=as_json)
    return EXIT_OK if report.ok else EXIT_FAILURE


def check_lines(report: ConfigReport) -> Sequence[str]:
    """What a person reads of a checked configuration."""
    lines = [*map(_problem_line, report.faults), *(f"warning: {_problem_line(each)}" for each in report.warnings)]
    verdict = f"{', '.join(report.files)}: " + ("ok" if report.ok else f"{len(report.faults)} faults")
    return [*lines, verdict]


def doctor_lines(report: DoctorReport) -> Sequence[str]:
    findings = [f"{finding.severity}: {finding.what} {finding.mend}".rstrip() for finding in report.findings]
    return findings or [f"{report.checks} checks, nothing is wrong"]


def verify_lines(report: LedgerVerification) -> Sequence[str]:
    verdict = "it adds up" if report.ok else f"{len(report.faults)} faults"
    return [*report.faults, f"{report.file}: {report.requests} requests, {report.attempts} attempts: {verdict}"]


def _reader(config: Path | None, modules: Sequence[Module]) -> Reader:
    return Reader(config or find_paths(os.environ, os.geteuid()).config_file, os.environ, modules)


def _missing(told: Mapping[str, str], settings: Settings) -> Mapping[str, str]:
    """Without the keys that systemd has for the service, and would not give to us. One that can't be seen may be."""
    return {name: why for name, why in told.items() if not _is_stored(settings.upstreams[name].key)}


def _is_stored(source: KeySource | None) -> bool:
    if source is None or not source.credential:
        return False
    try:
        return any(Path(f"{store}{source.credential}").exists() for store in STORES)
    except PermissionError:
        return True


def _ledger_of(reader: Reader) -> Path:
    return places(reader.load().settings, reader.environ).state_dir / LEDGER_FILE


def _problem_line(problem: ConfigProblem) -> str:
    place = f"{problem.file}:{problem.line}: " if problem.line else (f"{problem.file}: " if problem.file else "")
    return f"{place}{problem.key}: {problem.message}" if problem.key else f"{place}{problem.message}"


def _nothing_seen(clock: Clock) -> Facts:
    return Facts(now_ms=clock.now_ms())


def _show(verb: str, report: T, lines: Callable[[T], Sequence[str]], *, as_json: bool) -> None:
    print(write_answer(verb, report).decode() if as_json else "\n".join(lines(report)))  # noqa: T201


def _refuse(error: ConfigError | Fault, *, as_json: bool) -> int:
    code = error.code.value if isinstance(error, Fault) else Code.INVALID_REQUEST.value
    if as_json:
        print(write_refusal(Refusal(code=code, message=str(error))).decode())  # noqa: T201
    else:
        print(f"lodestard: {error}", file=sys.stderr)  # noqa: T201
    return EXIT_FAILURE
