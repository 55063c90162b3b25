"""The commands about clients with keys: their part of the table."""

from lodestarctl.command import Command, Option

NAME = Option(("name",), "the client's name")
PRIORITIES = ("interactive", "background", "idle")

KEY_COMMANDS = (
    Command(
        "keys add",
        "make a key for a client; it is shown this once",
        "keys_add",
        (
            NAME,
            Option(("--project",), "bind its requests to this project", metavar="P"),
            Option(("--user",), "bind its requests to this user", metavar="U"),
            Option(("--models",), "the aliases that it may use, with commas between (default: all)", metavar="LIST"),
            Option(("--priority",), "how urgent, where a request says nothing", choices=PRIORITIES, metavar="RANK"),
            Option(("--expires",), "its last day: 2026-12-31", metavar="DAY"),
            Option(("--requests-per-minute",), "requests in any minute", "integer", metavar="N"),
            Option(("--tokens-per-minute",), "tokens in any minute", "integer", metavar="N"),
            Option(("--replace",), "a new key for a client that is there; the old one opens nothing then", "flag"),
        ),
    ),
    Command("keys list", "the clients that have keys, and what they may", "keys_list"),
    Command(
        "keys revoke",
        "a client's key opens nothing any more; its requests under way go on",
        "keys_revoke",
        (NAME, Option(("--yes", "-y"), "do not ask", "flag")),
    ),
)
