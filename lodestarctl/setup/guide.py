"""The guide: step by step from what there is to what was decided. Writes nothing."""

from typing import NamedTuple

from lodestarctl.setup.asking import agree, ask_for
from lodestarctl.setup.choices import Choices
from lodestarctl.setup.facts import Facts, month_budget, table_of
from lodestarctl.setup.guide_keys import KeysGuide, TryKey
from lodestarctl.setup.guide_ollama import LookAt, OllamaGuide
from lodestarctl.setup.options import Options, read_amount, read_zone
from lodestarctl.setup.steps import KINDS, shown_usd
from lodestarctl.setup.terminal import Terminal

USUAL_USD = "20"
NONE = "-"


class Ports(NamedTuple):
    """What the guide needs of the world while it asks."""

    look_at: LookAt
    try_key: TryKey
    zone: str


def guide(terminal: Terminal, facts: Facts, options: Options, ports: Ports) -> Choices:
    """Raises ``LeftError`` where the person goes, ``ValueError`` for an option that does not fit what there is."""
    say_where(terminal, facts)
    ollama = OllamaGuide(terminal, facts, options, ports.look_at)
    ollama.run()
    keys = KeysGuide(terminal, facts, options, ports.try_key)
    keys.run()
    terminal.title("Budget")
    budget = choose_budget(terminal, facts, options, spends=keys.any_key)
    return Choices(
        hosts=ollama.hosts,
        aliases=ollama.aliases,
        swaps=ollama.swaps,
        pulls=tuple(dict.fromkeys(ollama.pulls)),
        keys=keys.keys,
        removed=tuple(keys.removed),
        budget_usd=budget,
        timezone=choose_zone(terminal, facts, options, ports.zone),
    )


def say_where(terminal: Terminal, facts: Facts) -> None:
    """Before anything else: what is set up here, and that nothing is written yet."""
    place = facts.place
    terminal.title("Lodestar setup")
    terminal.say(f"This sets up {KINDS[place.kind]}: {place.config_file}", "good" if facts.config_there else "")
    if terminal.interactive:
        terminal.say("Nothing is written before you have seen it. Enter takes what is in brackets, Ctrl-C stops.")
    runs = "lodestard runs." if facts.running else "lodestard does not run yet."
    terminal.say(runs, "good" if facts.running else "dim")
    if facts.hidden:
        terminal.say(
            "Not every file of the configuration can be read by you.", "warn", next_=f"As root: {place.command}"
        )


def choose_budget(terminal: Terminal, facts: Facts, options: Options, *, spends: bool) -> str | None:
    """The most for a month; None leaves it as it is."""
    name, usd = month_budget(facts.tables)
    if options.budget_usd is not None:
        terminal.say(f"At most {shown_usd(options.budget_usd)} a month from now on.", "good")
        return options.budget_usd
    if name:
        terminal.say(f"At most {shown_usd(usd)} a month (budget {name}).", "good")
        if terminal.interactive:
            terminal.say(f"Another: lodestarctl budget set {name} --usd AMOUNT", "dim")
        return None
    if not spends:
        terminal.say("No paid provider has a key, so nothing can be spent.", "dim")
        return None
    terminal.say("A hard limit: what would go beyond it is answered by free models.", "dim")
    question = f"At most how many US dollars a month ({NONE}: no limit)? [{USUAL_USD}]"
    answer = ask_for(terminal, question, lambda text: text if text == NONE else read_amount(text), USUAL_USD)
    if answer == NONE:
        terminal.say("No limit.", "warn", next_="lodestarctl setup --budget 20")
        return None
    terminal.say(f"At most {shown_usd(answer)} a month from now on.", "good")
    return answer


def choose_zone(terminal: Terminal, facts: Facts, options: Options, machine: str) -> str | None:
    """Where days and months begin; None leaves it as it is."""
    if options.timezone is not None:
        return options.timezone
    zone = table_of(facts.tables, "ledger").get("timezone")
    if zone:
        terminal.say(f"Days begin in {zone}.", "good")
        return None
    answer = ask_for(
        terminal, f"Days begin at midnight in which time zone? [this machine's, {machine}]", read_zone, ""
    )
    return answer or None


def agree_to_write(terminal: Terminal, options: Options) -> bool:
    """The last question before something is changed."""
    return options.yes or agree(terminal, "Write this?", default=True)
