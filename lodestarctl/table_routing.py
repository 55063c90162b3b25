"""The commands about who answers: their part of the table."""

from lodestarctl.command import Command, Option

VERDICTS = ("good", "bad")
PROJECT_KINDS = ("web", "cli", "ml", "library", "notebook")
DIR = Option(("dir",), "a folder in the project (default: this one)", "file", optional=True)
FOLDER = Option(("--folder",), "where (default: the repository around you)", "file", metavar="DIR")

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
    Command(
        "use",
        "ask one model in place of all others for a time",
        "use",
        (
            Option(
                ("alias",),
                "the alias that answers; - takes it back, nothing shows what holds",
                "alias",
                optional=True,
            ),
            Option(("--session",), "only in this session", metavar="S"),
            Option(("--project",), "only in this project", metavar="P"),
            Option(("--for",), "for how long: 2h, 30m (default: until it is taken back)", metavar="AGE", dest="time"),
        ),
    ),
    Command(
        "models pick",
        "find a model by a few letters, with its price, context, speed and verdicts",
        "models_pick",
        (
            Option(("query",), "letters of its name, in their order", many=True),
            Option(("--use",), "ask it in place of all others, as lodestarctl use does", "flag"),
        ),
    ),
    Command(
        "project init",
        "write a project's file, and Aider's",
        "project_init",
        (
            Option(("kind",), "what kind of project it is", choices=PROJECT_KINDS, optional=True),
            FOLDER,
            Option(("--name",), "the project's name (default: the folder's)", metavar="NAME"),
            Option(("--dry-run",), "show what would be written, and write nothing", "flag"),
            Option(("--force",), "change what is there already; a copy is kept", "flag"),
        ),
    ),
    Command("project list", "the projects whose files are trusted", "project_list"),
    Command("project show", "what the project's file here does, and whether it is trusted", "project_show", (DIR,)),
    Command(
        "project trust",
        "let the project's file here take effect; shows it first",
        "project_trust",
        (DIR, Option(("--yes", "-y"), "do not ask", "flag")),
    ),
    Command("project untrust", "the project's file here has no effect any more", "project_untrust", (DIR,)),
)
