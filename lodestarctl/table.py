"""The commands, as a table: what the parser, the help and the completions are made from.

Law: plain data; a command's module is imported only when it runs.
"""

from collections.abc import Sequence

from lodestarctl.command import Command as Command
from lodestarctl.command import Option as Option
from lodestarctl.table_advice import ADVICE_COMMANDS, COMPARE_COMMAND
from lodestarctl.table_backup import BACKUP_COMMANDS
from lodestarctl.table_gpu import GPU_COMMANDS
from lodestarctl.table_house import HOUSE_COMMANDS
from lodestarctl.table_keys import KEY_COMMANDS
from lodestarctl.table_routing import ROUTING_COMMANDS

GLOBAL_OPTIONS = (
    Option(("--json",), "print data as JSON (a versioned envelope) for programs", "flag"),
    Option(("--socket",), "the control socket (default: $LODESTAR_SOCKET, or where lodestard puts it)", "file"),
    Option(("--config",), "a configuration: its daemon is asked, or none where that is down", "file"),
    Option(("--no-color",), "no colours (as NO_COLOR does)", "flag"),
)

SCOPES = ("global", "principal", "project", "user", "session", "model", "provider")
GROUPS = (
    "model", "provider", "project", "user", "session", "task", "client", "alias", "upstream", "principal",
    "hour", "day", "week", "month",
)  # fmt: skip
SCREENS = ("overview", "models", "projects", "sessions", "providers", "requests", "gpu")
LEVELS = ("debug", "info", "warning", "error")
IDLE = ("status", "report", "on", "off")
UNTIL = "to when, as --since (a date is included)"
SINCE = "from when: 7d, 24h, today, month, or a date like 2025-11-30"

COMMANDS = (
    *HOUSE_COMMANDS,
    Command("status", "one screen about the house", "status"),
    Command(
        "costs",
        "what was spent and saved",
        "costs",
        (
            Option(("--by",), f"group by {', '.join(GROUPS)}", choices=GROUPS, metavar="GROUP"),
            Option(("--since",), f"{SINCE} (default: month)", metavar="WHEN"),
            Option(("--until",), UNTIL, metavar="WHEN"),
            Option(("--top",), "list so many groups and sum the rest", "integer", default=0, metavar="N"),
            Option(("--dashboard",), "look at it live, at the screen of what is grouped by", "flag"),
            Option(("--graph",), "also the course of time, and how the month may end", "flag"),
        ),
    ),
    Command(
        "costs report",
        "all about one month, as Markdown or HTML",
        "costs_report",
        (
            Option(("--month",), "this, last, or one like 2025-11", default="this", metavar="MONTH"),
            Option(("--format",), "markdown, or html (default: by FILE's name)", choices=("markdown", "html")),
            Option(("--top",), "list so many of a kind and sum the rest", "integer", default=20, metavar="N"),
            Option(("-o", "--output"), "write to FILE, whole or not at all", "file", metavar="FILE"),
        ),
    ),
    Command(
        "costs export",
        "every request as a row of CSV or JSON",
        "costs_export",
        (
            Option(("file",), "a ledger file to export without the daemon", "file", optional=True),
            Option(("--csv",), "comma-separated values (the default)", "flag"),
            Option(("--jsonl",), "a JSON object a line (--json is one JSON text)", "flag"),
            Option(("--since",), f"{SINCE} (default: the beginning)", metavar="WHEN"),
            Option(("--until",), UNTIL, metavar="WHEN"),
            Option(("--names",), "names as they are, where [ledger] anonymise hides them", "flag"),
            Option(("-o", "--output"), "write to FILE, replacing it; - for standard output", "file", metavar="FILE"),
        ),
    ),
    Command(
        "costs explain",
        "how a request came to its cost, line by line",
        "costs_explain",
        (Option(("id",), "the request's id, or the end of it"),),
    ),
    Command(
        "dashboard",
        "live figures on the whole terminal, as they change",
        "dashboard",
        (
            Option(("--screen",), "the screen to begin with", choices=SCREENS, default="overview", metavar="NAME"),
            Option(("--span",), "the span to begin with", choices=("today", "month"), default="today"),
            Option(("--once",), "print the screen once and exit", "flag"),
            Option(("--ascii",), "draw with ASCII characters alone", "flag"),
        ),
    ),
    Command(
        "prices",
        "what every model costs, since when, and who says so",
        "prices",
        (Option(("model",), "one alias or upstream/model, in full", "alias", optional=True),),
    ),
    Command("prices check", "what is unpriced, retired, old, or other than the price list says", "prices_check"),
    Command(
        "alerts list",
        "what was told, and whether it arrived",
        "alerts_list",
        (Option(("-n", "--lines"), "how many", "integer", default=50, metavar="N"),),
    ),
    Command("alerts test", "send a test alert by every way that is set up", "alerts_test"),
    Command("budget list", "how the budgets stand", "budget_list"),
    Command(
        "budget set",
        "set a budget, in a file of its own, and take it in",
        "budget_set",
        (
            Option(("budget",), "its name"),
            Option(("--usd",), "US dollars", metavar="AMOUNT"),
            Option(("--tokens",), "tokens, in and out, of free models too", "integer", metavar="N"),
            Option(("--requests",), "requests that are sent to a model", "integer", metavar="N"),
            Option(("--window",), "day, week, month, total, or hours that roll on: 24h"),
            Option(("--scope",), "of whom", choices=SCOPES, metavar="SCOPE"),
            Option(("--of",), "of which one; without it each has a budget of its own", metavar="NAME"),
            Option(("--hard",), "it is never overrun", "flag"),
            Option(("--soft",), "it alerts and refuses nothing", "flag"),
            Option(("--at-limit",), "go on with free models, or refuse", choices=("free", "refuse")),
        ),
    ),
    Command("budget unset", "take back what budget set has set", "budget_set", (Option(("budget",), "its name"),)),
    Command(
        "budget override",
        "lift a budget for a time",
        "budget_override",
        (
            Option(("budget",), "its name"),
            Option(("--for",), "for how long: 2h, 30m, 1d (needed)", metavar="AGE", dest="time"),
            Option(("--reason",), "why (needed); it is kept", metavar="TEXT"),
            Option(("--of",), "of which project, user …; without it of all", metavar="NAME"),
            Option(
                ("--extra",), "by how much (US dollars, tokens or requests); without it altogether", metavar="AMOUNT"
            ),
        ),
    ),
    Command("budget revoke", "take back a budget's overrides", "budget_override", (Option(("budget",), "its name"),)),
    Command(
        "budget history",
        "what was done and told about budgets",
        "budget_history",
        (Option(("-n", "--lines"), "how many", "integer", default=50, metavar="N"),),
    ),
    *BACKUP_COMMANDS,
    Command("cache stats", "what the response cache holds and what it does", "cache_stats"),
    Command(
        "cache clear",
        "forget cached answers",
        "cache_clear",
        (
            Option(("--model",), "only the answers of this alias or upstream/model", "alias"),
            Option(("--older-than",), "only what is older: 90m, 24h, 7d", metavar="AGE"),
        ),
    ),
    Command(
        "cache warm",
        "take in exported answers, or ask the requests of a file",
        "cache_warm",
        (Option(("file",), "a request or an exported answer as JSON a line; - for standard input", "file"),),
    ),
    Command("cache export", "print every kept answer as a line of JSON, for cache warm elsewhere", "cache_export"),
    Command("models list", "the aliases, where they go and what they cost", "models_list"),
    Command(
        "models test",
        "one small real call to each upstream; says the price first",
        "models_test",
        (
            Option(("alias",), "only these aliases", "alias", many=True),
            Option(("--yes", "-y"), "do not ask before calls that cost money", "flag"),
        ),
    ),
    COMPARE_COMMAND,
    *GPU_COMMANDS,
    *ADVICE_COMMANDS,
    Command(
        "requests",
        "the latest requests",
        "requests",
        (
            Option(("-f", "--follow"), "go on as they come", "flag"),
            Option(("-n", "--lines"), "how many", "integer", default=20, metavar="N"),
        ),
    ),
    Command(
        "explain",
        "why a request went where it did, and what it cost",
        "explain",
        (Option(("id",), "the request's id (x-lodestar-request-id), or the end of it"),),
    ),
    Command(
        "ask",
        "ask a model one question",
        "ask",
        (
            Option(("question",), "the question; - or nothing reads standard input", many=True),
            Option(("-m", "--model"), "the alias to ask", "alias", default="auto"),
        ),
    ),
    Command(
        "session start",
        "begin a session for requests that name none",
        "session_start",
        (
            Option(("name",), "its name; otherwise one is made", optional=True),
            Option(("--project",), "only requests of this project, and of none", metavar="P"),
            Option(("--user",), "only requests of this user, and of none", metavar="U"),
            Option(("--client",), "only requests of this client program (aider …)", metavar="C"),
        ),
    ),
    Command(
        "session end",
        "end a session: the next request begins a new one",
        "session_end",
        (Option(("id",), "which; otherwise the one that was started, or the only one", optional=True),),
    ),
    Command(
        "session show",
        "what a session cost, who answered, and when models switched",
        "session_show",
        (Option(("id",), "which; otherwise the latest", optional=True),),
    ),
    Command(
        "session list",
        "the latest sessions",
        "session_list",
        (Option(("-n", "--lines"), "how many", "integer", default=20, metavar="N"),),
    ),
    Command(
        "aider",
        "print or write Aider's configuration, with our prices and headers",
        "aider",
        (
            Option(("--write",), "write the files instead of printing them", "flag"),
            Option(("--folder",), "where (default: the repository around you)", "file", metavar="DIR"),
            Option(("--project",), "the project's name (default: the folder's)", metavar="NAME"),
            Option(("--model",), "the main model (default: auto)", "alias", metavar="ALIAS"),
            Option(("--weak",), "the model for commit messages and summaries", metavar="ALIAS"),
            Option(("--tell-waiting",), "have Aider show what a free model is waited for", "flag"),
            Option(("--force",), "change what is there already; a copy is kept", "flag"),
        ),
    ),
    Command(
        "statusline",
        "one line of figures for a prompt or tmux, at once; asks nobody",
        "statusline",
        (
            Option(
                ("--format",),
                "fields in braces: {cost_today} {saved_today} {cost_month} {budget} {requests} {card} {use}",
                metavar="TEXT",
            ),
            Option(("--tmux",), "with tmux's colours", "flag"),
        ),
    ),
    *ROUTING_COMMANDS,
    *KEY_COMMANDS,
    Command("config check", "check the configuration; all faults at once", "config_check"),
    Command(
        "config show",
        "the configuration in force",
        "config_show",
        (Option(("--origin",), "say where each value comes from", "flag"),),
    ),
    Command("config reload", "take the configuration in anew; keeps the old one if it has faults", "config_reload"),
    Command(
        "config set",
        "set one value, in a file of its own, and take it in",
        "config_set",
        (
            Option(("key",), 'dotted, as in TOML: cache.ttl_s, models."gpt-4o".route'),
            Option(("value",), "as in TOML; a bare word is a text"),
        ),
    ),
    Command(
        "config unset",
        "take back what config set has set",
        "config_set",
        (Option(("key",), "dotted, as in TOML"),),
    ),
    Command(
        "ledger verify",
        "check that every row of the ledger adds up",
        "ledger_verify",
        (Option(("file",), "a ledger file to check without the daemon", "file", optional=True),),
    ),
    Command(
        "log-level",
        "how much the daemon logs, until its next start",
        "log_level",
        (Option(("level",), "the level", choices=LEVELS),),
    ),
    Command(
        "reconcile run",
        "compare providers' bills with the ledger, now",
        "reconcile_run",
        (Option(("--day",), "one UTC day, also a final one: 2026-11-25", metavar="DAY"),),
    ),
    Command(
        "reconcile show",
        "how far bills and ledger were apart",
        "reconcile_show",
        (Option(("-n", "--lines"), "how many", "integer", default=30, metavar="N"),),
    ),
    Command(
        "eval idle",
        "learn in idle time what the local models can do",
        "eval_idle",
        (Option(("what",), "status (the default), what was learned, or switch it", choices=IDLE, optional=True),),
    ),
    Command("drain", "stop taking requests, end those under way, and exit", "drain"),
    Command("restart", "begin anew without losing a request, and wait until it serves", "restart"),
    Command("doctor", "say what is wrong and how to mend it", "doctor"),
    Command("version", "the versions of lodestarctl and lodestard", "version"),
    Command(
        "completion",
        "print a script that completes commands in your shell",
        "completion",
        (Option(("shell",), "for which shell", choices=("bash", "zsh", "fish")),),
    ),
)

DEFAULT_OF_GROUP = {
    "alerts": "list",
    "backup": "list",
    "budget": "list",
    "keys": "list",
    "models": "list",
    "cache": "stats",
    "config": "show",
    "eval": "idle",
    "project": "show",
    "reconcile": "run",
    "session": "list",
}
MODULE_OF_GROUP = {"eval": "eval_idle"}


def find_command(words: list[str]) -> tuple[Command, list[str]] | None:
    """The command that ``words`` begin with and the words that are left, or None."""
    for count in (2, 1):
        name = " ".join(words[:count])
        for command in COMMANDS:
            if command.name == name:
                other = group_members(name) and not takes_words(command) and names_other(words[count - 1 :])
                return None if other else (command, words[count:])
    default = DEFAULT_OF_GROUP.get(words[0]) if words else None
    if default is None or names_other(words):
        return None
    return find_command([words[0], default, *words[1:]])


def takes_words(command: Command) -> bool:
    """Whether a word after its name may be its own."""
    return any(option.positional for option in command.options)


def names_other(words: Sequence[str]) -> bool:
    """Whether a group's name is followed by a word that can only be meant as one of its commands."""
    return len(words) > 1 and not words[1].startswith("-")


def is_command(name: str) -> bool:
    """Whether a group's name alone is a command of its own."""
    return any(command.name == name for command in COMMANDS)


def group_members(group: str) -> tuple[str, ...]:
    """The second words of a group's commands."""
    return tuple(command.name.split()[1] for command in COMMANDS if command.name.startswith(f"{group} "))
