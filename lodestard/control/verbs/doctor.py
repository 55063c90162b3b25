"""``doctor``: what is wrong and how to mend it.

Law: looking and judging are apart. ``checkup.py`` looks; ``examine`` is pure, total, and says of each finding
what it is and what to do.
"""

from collections.abc import Callable, Iterator

from lodestard.control.messages import DoctorReport, Finding
from lodestard.control.verbs.checkup import HTTPS, Facts, gather
from lodestard.control.verbs.desk import Desk
from lodestard.control.verbs.gpu_doctor import examine_hosts
from lodestard.domain.verbs import Arguments, Verb

MIN_DISK_BYTES = 500_000_000
OLDEST_SANE_MS = 1_735_689_600_000  # 2025-01-01: no lodestard is older
CLOCK_SLACK_MS = 60_000
DAY_MS = 86_400_000
CERTIFICATE_WARN_MS = 21 * DAY_MS
MIN_SQLITE = (3, 51, 3)
OTHERS_BITS = 0o077
PERMISSION, NO_FILE = "Permission denied", "No such file"
SAME_DISK_MEND = "Set [modules.backup] dir to a folder on another disk, or copy the folder elsewhere every day."

Check = Callable[[Facts], Iterator[Finding]]


def doctor_verbs(desk: Desk) -> tuple[Verb, ...]:
    async def doctor(_arguments: Arguments) -> DoctorReport:
        return examine(await gather(desk), running=True)

    return (Verb(name="doctor", summary="what is wrong and how to mend it", needs="read", answer=doctor),)


def examine(facts: Facts, *, running: bool) -> DoctorReport:
    """Every check over ``facts``. Pure."""
    return DoctorReport(
        findings=tuple(finding for check in CHECKS for finding in check(facts)), checks=len(CHECKS), running=running
    )


def _check_config(facts: Facts) -> Iterator[Finding]:
    for fault in facts.config_faults:
        yield _error("config", fault, _mend_config(fault))


def _mend_config(fault: str) -> str:
    if PERMISSION in fault:
        return "As root: lodestarctl doctor"
    if NO_FILE in fault:
        return "lodestarctl setup makes one."
    return "lodestarctl config check lists every fault with its line."


def _check_upstreams(facts: Facts) -> Iterator[Finding]:
    if not facts.upstreams and not facts.config_faults:
        yield _error("no_upstream", "No upstream is configured.", "Add an [upstreams.<name>] table.")
    for name, upstream in facts.upstreams.items():
        if upstream.error:
            yield _error("upstream_down", f"{name} does not answer: {upstream.error}.", upstream.advice)


def _check_keys(facts: Facts) -> Iterator[Finding]:
    for name, why in facts.keys_missing.items():
        mend = (
            "lodestarctl setup asks for it. By hand: put it there, then lodestarctl restart; or take "
            f"[upstreams.{name}] out. The rest works without it."
        )
        yield _warning("no_key", f"{name} has no key: {why}", mend)


def _check_aliases(facts: Facts) -> Iterator[Finding]:
    for alias, why in facts.unusable_aliases.items():
        yield _warning("alias_unusable", f"{alias} can't be used: {why}", "Give it a price, or take it out.")


def _check_baseline(facts: Facts) -> Iterator[Finding]:
    if facts.baseline_without_price:
        name = facts.baseline_without_price
        yield _warning(
            "baseline_without_price",
            f"Nothing can be saved against {name}: it has no price.",
            f'Add [prices."{name}"], or set [ledger] baseline to a model that has one.',
        )


def _check_prices(facts: Facts) -> Iterator[Finding]:
    for found in facts.prices:
        if found.kind != "differs":  # as it may: lodestarctl prices check tells
            yield Finding(severity=found.severity, code=f"price_{found.kind}", what=found.what, mend=found.mend)


def _check_models(facts: Facts) -> Iterator[Finding]:
    """What an Ollama server lacks: as it was asked now, and as whoever looks after it has found out."""
    missing = {(name, model) for name, upstream in facts.upstreams.items() for model in upstream.models_missing}
    missing |= {(host.host, model.model) for host in facts.cards for model in host.models if model.missing}
    looked_after = {host.host for host in facts.cards}
    for name, model in sorted(missing):
        here = (
            f"lodestarctl models pull {name}/{model}"
            if name in looked_after
            else f"On its machine: ollama pull {model}"
        )
        yield _error("model_missing", f"{name} does not have {model}.", here)


def _check_cards(facts: Facts) -> Iterator[Finding]:
    down = frozenset(name for name, upstream in facts.upstreams.items() if upstream.error)
    yield from examine_hosts(facts.cards, down)


def _check_clock(facts: Facts) -> Iterator[Finding]:
    mend = "Set the clock: timedatectl set-ntp true."
    if facts.now_ms < OLDEST_SANE_MS:
        yield _error("clock", "This machine's clock is years behind.", mend)
    elif facts.newest_request_ms > facts.now_ms + CLOCK_SLACK_MS:
        yield _warning("clock", "The ledger has requests from the future: the clock was stepped back.", mend)


def _check_state_dir(facts: Facts) -> Iterator[Finding]:
    folder = facts.state_dir
    if not folder.path:
        return
    if folder.mode is None:
        yield _warning("state_dir", f"{folder.path} is not there yet.", "lodestard makes it when it starts.")
        return
    if not folder.writable:
        yield _error(
            "state_dir",
            f"{folder.path} can't be written.",
            f"chown it to the user that runs lodestard (the service's is lodestar): {folder.path}",
        )
    if folder.mode & OTHERS_BITS:
        yield _warning("state_dir", f"Other users can look into {folder.path}.", f"chmod 0700 {folder.path}")
    if folder.free_bytes < MIN_DISK_BYTES:
        free_mb = folder.free_bytes // 1_000_000
        yield _error(
            "disk", f"Only {free_mb} MB are free under {folder.path}.", "Make room: without it nothing paid goes."
        )


def _check_sqlite(facts: Facts) -> Iterator[Finding]:
    numbers = tuple(int(part) for part in facts.sqlite.split(".") if part.isdecimal())
    if numbers and numbers < MIN_SQLITE:
        needed = ".".join(map(str, MIN_SQLITE))
        yield _error(
            "sqlite",
            f"SQLite {facts.sqlite} can corrupt a database; {needed} is the first that can't.",
            "pip install -U apsw",
        )


def _check_ports(facts: Facts) -> Iterator[Finding]:
    for address in facts.ports_taken:
        yield _error(
            "port_taken",
            f"Something else listens on {address}.",
            f"ss -ltnp 'sport = :{address.rpartition(':')[2]}' says what. Or listen elsewhere: systemctl edit "
            "lodestard.socket where systemd holds the port, [server] listen otherwise.",
        )


def _check_doors(facts: Facts) -> Iterator[Finding]:
    for address in facts.exposed:
        if not address.startswith(HTTPS):
            what = f"{address} is plain HTTP: keys, prompts and answers can be read on their way."
            mend = f"Listen on {HTTPS}{address}, with [server.tls]; or put something with TLS before it."
            yield _warning("plain_http", what, mend)
    if facts.exposed and not facts.known_by_name:
        what = "Other machines can reach the proxy, but every Host other than this machine's own is refused."
        yield _warning("no_host", what, "Add the name or address that they use to [server] allowed_hosts.")


def _check_certificate(facts: Facts) -> Iterator[Finding]:
    if not facts.certificate:
        return
    mend = "Put a new one in its place, then lodestarctl config reload."
    left_ms = facts.certificate_expires_ms - facts.now_ms
    if left_ms <= 0:
        yield _error("certificate", f"The certificate {facts.certificate} has expired.", mend)
    elif left_ms < CERTIFICATE_WARN_MS:
        days = max(1, round(left_ms / DAY_MS))
        yield _warning(
            "certificate",
            f"The certificate {facts.certificate} expires in {days} day{'s' if days > 1 else ''}.",
            mend,
        )


def _check_systemd(facts: Facts) -> Iterator[Finding]:
    if facts.systemd_extra_missing:
        yield _error(
            "systemd",
            "systemd runs lodestard, but the systemd extra is not installed.",
            "apt install gcc pkg-config libsystemd-dev python3-dev && pip install 'lodestard[systemd]'",
        )


def _check_backups(facts: Facts) -> Iterator[Finding]:
    backup = facts.backup
    if backup.trouble:
        mend = "Mend that, then lodestarctl backup now."
        yield _error("backup_failed", f"The ledger could not be backed up: {backup.trouble.rstrip('.')}.", mend)
    elif backup.late:
        days = (facts.now_ms - backup.last_ms) // DAY_MS
        last = f"The newest verified backup is {days} days old." if backup.last_ms else "There is no verified backup."
        yield _warning("backup_late", last, "lodestarctl backup now makes one, or says why it can't.")
    if backup.same_disk:
        what = "Backups are on the ledger's own disk: when that dies, they die with it."
        yield Finding(severity="info", code="backup_on_the_same_disk", what=what, mend=SAME_DISK_MEND)


CHECKS: tuple[Check, ...] = (
    _check_config,
    _check_upstreams,
    _check_keys,
    _check_aliases,
    _check_baseline,
    _check_prices,
    _check_models,
    _check_cards,
    _check_clock,
    _check_state_dir,
    _check_sqlite,
    _check_ports,
    _check_doors,
    _check_certificate,
    _check_systemd,
    _check_backups,
)


def _error(code: str, what: str, mend: str) -> Finding:
    return Finding(severity="error", code=code, what=what, mend=mend)


def _warning(code: str, what: str, mend: str) -> Finding:
    return Finding(severity="warning", code=code, what=what, mend=mend)
