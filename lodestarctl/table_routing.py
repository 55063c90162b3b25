"""The commands about who answers: their part of the table."""

from lodestarctl.command import Command, Option

VERDICTS = ("good", "bad")

ROUTING_COMMANDS = (
    Command(
        "feedback",
        "say whether an answer was good or bad: later choices heed it",
        "feedback",
        (
            Option(("id",), "the request's id (x-lodestar-request-id), or the end of it"),
            Option(("verdict",), "what its answer was", choices=VERDICTS),
            Option(("--kind",), "of which kind the work was: edit, test, explain …", metavar="KIND"),
        ),
    ),
    Command(
        "feedback list",
        "the latest verdicts, said and seen",
        "feedback_list",
        (Option(("-n", "--lines"), "how many", "integer", default=20, metavar="N"),),
    ),
)
