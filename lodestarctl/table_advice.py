"""The commands that ask the router, and those that let models be compared."""

from lodestarctl.command import Command, Option

PREFER = ("cheap", "balanced", "fast", "best")
DIALECTS = ("openai", "anthropic", "ollama", "completions", "responses")
SINCE = "from when: 7d, 24h, today, month, or a date like 2025-11-30"
PROMPT = Option(("prompt",), "the prompt; - reads standard input", many=True)
FILE = Option(("--file",), "a file that goes with it (any number of them)", "file", metavar="F", many=True)
SHAPE = (
    Option(("--tokens",), "as if it were at least so long", "integer", default=0, metavar="N"),
    Option(("--images",), "as if it had an image", "flag"),
    Option(("--tools",), "as if it had tools", "flag"),
    Option(("--body",), "a whole request instead, as a client would send it", "file", metavar="FILE"),
    Option(("--dialect",), "the body's dialect", choices=DIALECTS, default="openai", metavar="D"),
    Option(("--prefer",), "what it would prefer", choices=PREFER, metavar="P"),
    Option(("--tag",), "a tag of it (any number of them)", metavar="T", many=True),
    Option(("--client",), "the client that would send it (aider …)", metavar="C"),
    Option(("--task",), "what it would be for (edit, commit …)", metavar="T"),
    Option(("--project",), "its project", metavar="P"),
    Option(("--user",), "its user", metavar="U"),
    Option(("--session",), "its session; otherwise it is the first of one", metavar="S"),
)

ADVICE_COMMANDS = (
    Command(
        "route explain",
        "what would become of a request, without sending it",
        "route_explain",
        (PROMPT, FILE, Option(("-m", "--model"), "the alias to ask (default: auto)", "alias", metavar="M"), *SHAPE),
    ),
    Command(
        "route backtest",
        "another policy (--config FILE) over past requests",
        "route_backtest",
        (
            Option(("--since",), SINCE, default="30d", metavar="WHEN"),
            Option(("--until",), "to when, as --since (a date is included)", metavar="WHEN"),
        ),
    ),
    Command(
        "route shadow",
        "what the shadow policy would have done",
        "route_shadow",
        (Option(("--since",), SINCE, default="30d", metavar="WHEN"),),
    ),
    Command(
        "recommend",
        "the cheapest model that is good enough for a prompt, and why",
        "recommend",
        (PROMPT, FILE, *SHAPE),
    ),
)
COMPARE_COMMAND = Command(
    "models compare",
    "ask two models the same and see the answers side by side",
    "models_compare",
    (
        Option(("a",), "an alias or upstream/model"),
        Option(("b",), "another one"),
        PROMPT,
        FILE,
        Option(("--blind",), "hide who is who until you have said which is better", "flag"),
    ),
)
