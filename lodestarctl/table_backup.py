"""The commands about backups: their part of the table."""

from lodestarctl.command import Command, Option

BACKUP_COMMANDS = (
    Command("backup now", "back the ledger up now, and verify that", "backup_now"),
    Command("backup list", "the backups, how old they are and why they are kept", "backup_list"),
    Command(
        "backup verify",
        "read a backup, and check its ledger row by row",
        "backup_verify",
        (Option(("backup",), "its id, or a file anywhere (default: the newest)", "file", optional=True),),
    ),
    Command(
        "backup restore",
        "put a backup in place of the state folder, with the daemon stopped",
        "backup_restore",
        (
            Option(
                ("backup",), "its id, or a file anywhere; none ends an interrupted restore", "file", optional=True
            ),
            Option(("--to",), "a state folder other than the configured one", "file", metavar="DIR"),
            Option(("--keep-spent",), "carry over what was spent since, from the ledger that is there", "flag"),
            Option(("--yes", "-y"), "do not ask", "flag"),
        ),
    ),
)
