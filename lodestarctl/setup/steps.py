"""The steps, and how each stands: what ``--check`` says, and what the guide marks as done. Pure."""

from collections.abc import Iterator, Mapping
from typing import Literal

import msgspec

from lodestarctl.render.words import usd
from lodestarctl.setup.address import read_address
from lodestarctl.setup.facts import Facts, Server, month_budget, ollama_upstreams, table_of
from lodestarctl.setup.models import missing_targets
from lodestarctl.setup.place import SOCKETS, UNIT
from lodestard.domain.money import parse_nano_usd

UNKNOWN_NAME = ("name resolution", "not known", "associated with hostname")
OTHER = ("it ", "what answers")
"""How the reasons begin where somebody does answer there."""
State = Literal["done", "optional", "missing", "wrong"]
NAMES = {
    "where": "Where",
    "ollama": "Ollama",
    "providers": "Paid providers",
    "budget": "Budget",
    "daemon": "Daemon",
}
KINDS = {"system": "this machine's Lodestar", "user": "your own Lodestar", "file": "one configuration"}


class Step(msgspec.Struct, frozen=True):
    """One thing to set up. ``next`` is what to do about it; ``missing`` and ``wrong`` ones are needed."""

    name: str
    state: State
    what: str
    next: str = ""


class Report(msgspec.Struct, frozen=True, kw_only=True):
    """``lodestarctl setup --check --json``. ``ok``: requests can be answered."""

    ok: bool
    kind: str
    config: str
    steps: tuple[Step, ...]


def report_on(facts: Facts) -> Report:
    seen = () if facts.faults else (*_ollama(facts), *_keys(facts), *_budget(facts))
    steps = (*_where(facts), *seen, *_daemon(facts))
    answered = any(step.name in ("ollama", "providers") and step.state == "done" for step in steps)
    needed = [step for step in steps if step.state == "wrong" or (step.state == "missing" and step.name != "ollama")]
    place = facts.place
    return Report(ok=answered and not needed, kind=place.kind, config=str(place.config_file), steps=steps)


def _where(facts: Facts) -> Iterator[Step]:
    place, setup = facts.place, facts.place.command
    for fault in facts.faults:
        yield Step("where", "wrong", fault, "Mend it, then run setup again.")
    if facts.elsewhere:
        what = f"The lodestard that runs has another configuration: {facts.elsewhere}."
        yield Step("where", "wrong", what, f"Set that up: lodestarctl --config {facts.elsewhere} setup; or stop it.")
    if facts.hidden:
        yield Step("where", "optional", "Not every file of it can be read by you.", f"As root: {setup}")
    if facts.faults:
        return  # what is set can't be told then
    if facts.config_there:
        yield Step("where", "done", f"{place.config_file} ({KINDS[place.kind]}).")
    else:
        yield Step("where", "missing", f"{place.config_file} is not there yet.", f"{setup} makes it.")


def _ollama(facts: Facts) -> Iterator[Step]:
    configured = ollama_upstreams(facts.tables)
    for name, url in configured.items():
        server = server_of(url, facts)
        if server is None or server.error:
            why = server.error if server is not None else "its address can't be understood"
            yield Step("ollama", "missing", f"{name} does not answer at {url}: {why}.", how_to_listen(url, why))
        else:
            yield from _models_of(name, server, facts)
    known = [server_of(url, facts) for url in configured.values()]
    for server in facts.servers:
        if not server.error and server not in known:
            what = f"{describe(server)} is not configured."
            yield Step("ollama", "optional", what, f"{facts.place.command} --ollama {server.url}")
    if not configured and all(server.error for server in facts.servers):
        what = f"No Ollama server is configured, and none answers at {facts.own_server}."
        yield Step("ollama", "missing", what, how_to_listen(facts.own_server))


def _models_of(name: str, server: Server, facts: Facts) -> Iterator[Step]:
    lacking = missing_targets(facts.tables, name, server)
    yield Step("ollama", "done", f"{name}: {describe(server)}.")
    for model, aliases in sorted(lacking.items()):
        what = f"{name} does not have {model}, which {' and '.join(aliases)} would ask."
        yield Step("ollama", "missing", what, f"lodestarctl models pull {name}/{model}; or setup chooses another.")


def server_of(url: str, facts: Facts) -> Server | None:
    """How the server at a configured address was found."""
    try:
        return facts.server_at(read_address(url))
    except ValueError:
        return None


def describe(server: Server) -> str:
    count = len(server.models)
    return f"Ollama {server.version} at {server.url} with {count or 'no'} model{'' if count == 1 else 's'}"


def how_to_listen(url: str, why: str = "") -> str:
    """What to do where nobody answers, for the reason that was found."""
    if any(word in why for word in UNKNOWN_NAME):
        return "Is the name right? An IP address does too."
    if why.startswith(OTHER):
        return ""
    if "//127." in url or "//localhost" in url or "//[::1]" in url:
        return "Is it installed and started? ollama serve; on another machine: lodestarctl setup --ollama URL."
    return (
        "On its machine Ollama must listen for others. As root: systemctl edit ollama, add the lines [Service] and "
        "Environment=OLLAMA_HOST=0.0.0.0, then systemctl restart ollama."
    )


def _keys(facts: Facts) -> Iterator[Step]:
    without = [fact.provider for fact in facts.keys if fact.state == "missing"]
    if without:
        way = f"{facts.place.command} --key {without[0]}=-"
        yield Step("providers", "optional", f"No key for {', '.join(without)}.", way)
    for fact in facts.keys:
        if fact.state == "missing":
            continue
        if fact.state == "unknown":
            yield Step("providers", "optional", f"{fact.provider}: can't be seen from here ({fact.where}).")
        else:
            yield Step("providers", "done", f"{fact.provider} has a key ({fact.where}).")


def _budget(facts: Facts) -> Iterator[Step]:
    name, amount = month_budget(facts.tables)
    if name:
        yield Step("budget", "done", f"At most {shown_usd(amount)} a month (budget {name}).")
    else:
        yield Step("budget", "optional", "No monthly limit.", f"{facts.place.command} --budget 20")
    zone = table_of(facts.tables, "ledger").get("timezone")
    if zone:
        yield Step("budget", "done", f"Days begin in {zone}.")


def shown_usd(amount: str) -> str:
    """US dollars as they stand in the configuration, or as they are where that is no amount."""
    try:
        return usd(parse_nano_usd(amount))
    except ValueError:
        return f"${amount}"


def _daemon(facts: Facts) -> Iterator[Step]:
    if facts.running:
        yield Step("daemon", "done", "It runs.")
        for what, advice in facts.problems:
            yield Step("daemon", "missing", what, advice)
    elif facts.denied:
        yield Step("daemon", "missing", "Whether it runs can't be seen by you.", facts.denied)
    else:
        yield Step("daemon", "missing", " ".join(("It does not run.", *facts.silence)), how_to_start(facts))


def how_to_start(facts: Facts) -> str:
    place = facts.place
    if place.unit and place.kind == "system":
        return f"As root: systemctl enable --now {' '.join(SOCKETS)} {UNIT}"
    elsewhere = place.kind == "file" or (place.kind == "user" and place.root_runs)  # root's own is the machine's
    named = f" --config {place.config_file}" if elsewhere else ""
    return f"{place.program}{named}"


def states(report: Report) -> Mapping[str, list[Step]]:
    """The steps by name, in order."""
    return {name: [step for step in report.steps if step.name == name] for name in NAMES}
