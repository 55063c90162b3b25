"""The commands about the house as a whole: their part of the table."""

from lodestarctl.command import Command, Option

HOUSE_COMMANDS = (
    Command(
        "setup",
        "set up Lodestar step by step, or again; changes nothing unseen",
        "setup",
        (
            Option(("--check",), "say what is set and what is missing, change nothing; the status tells", "flag"),
            Option(("--dry-run",), "show what would be written, and write nothing", "flag"),
            Option(("--yes", "-y"), "ask nothing and take the defaults; never sends what costs", "flag"),
            Option(("--system",), "this machine's Lodestar (/etc/lodestard)", "flag"),
            Option(("--user",), "your own Lodestar (~/.config/lodestard)", "flag"),
            Option(("--ollama",), "an Ollama server; may come again", metavar="URL", many=True),
            Option(
                ("--model",), "which local model answers an alias; may come again", metavar="ALIAS=MODEL", many=True
            ),
            Option(("--pull",), "have Ollama download a model; may come again", metavar="MODEL", many=True),
            Option(
                ("--key",),
                "a provider's key, from SOURCE: - (a line of standard input), env:NAME, file:PATH; may come again",
                metavar="PROVIDER=SOURCE",
                many=True,
            ),
            Option(("--remove-key",), "remove a provider's key; may come again", metavar="PROVIDER", many=True),
            Option(("--replace",), "--key replaces a key that is there", "flag"),
            Option(("--try-keys",), "try the keys of --key at their providers; costs nothing", "flag"),
            Option(("--no-encrypt",), "keep keys as plain files of root, not encrypted by systemd", "flag"),
            Option(("--budget",), "the most for a month, in US dollars", metavar="USD"),
            Option(("--timezone",), "where days begin: Europe/Berlin", metavar="ZONE"),
            Option(("--aider",), "write Aider's files in this folder", "file", metavar="DIR"),
            Option(("--no-start",), "don't start or reload the daemon", "flag"),
            Option(("--no-test",), "send no request at the end", "flag"),
        ),
    ),
)
