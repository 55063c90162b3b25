"""What is told of the commands about the house itself: configuration, ledger, log, start and end."""

from collections.abc import Mapping

from lodestarctl.manual.about import About

ABOUT: Mapping[str, About] = {
    "setup": About(
        "Asks a few questions, shows what it will write, has it checked together with everything that is "
        "there, writes it whole or not at all, starts or reloads the daemon, and sends one request. It may "
        "be run again at any time: nothing that you wrote is touched, and a key that is there stays.",
        (
            ("lodestarctl setup", "as root: this machine's Lodestar"),
            ("lodestarctl setup --user", "your own"),
            ("lodestarctl setup --check", "what is set and what is missing"),
            ("lodestarctl setup --user --yes --key openai=env:OPENAI_API_KEY", "from a script"),
        ),
        "1 if lodestard --check refuses it (nothing was written) or the first request fails; with --check, if "
        "something is missing.",
    ),
    "config check": About(
        "With --config, or with the daemon down, lodestard --check does it. Every fault is told with its "
        "key, file and line; no value is repeated, because one could be a key.",
        (
            ("lodestarctl config check", "the daemon's own files"),
            ("lodestarctl config check --config new.toml", "another file"),
        ),
        "1 if there are faults.",
    ),
    "config show": About(
        "",
        (
            ("lodestarctl config show", "every value"),
            ("lodestarctl config show --origin", "and which line of which file says it"),
        ),
    ),
    "config reload": About(
        "As systemctl reload does, but tells what is wrong. The new configuration is taken in whole or not at all.",
        (("lodestarctl config reload", "after a change to the files"),),
        "1 if it has faults and the old one goes on.",
    ),
    "config set": About(
        "The value is checked with everything else, written to conf.d/90-lodestarctl.toml beside the "
        "configuration, and taken in. Your own files are never touched. Says so where the value holds only "
        "after a restart.",
        (
            ("lodestarctl config set cache.ttl_s 3600", "a number"),
            ("lodestarctl config set server.listen '[\"127.0.0.1:4000\"]'", "an array, quoted for the shell"),
            ("lodestarctl config set 'models.\"gpt-4o\".prefer' best", "a name with a dot in it"),
        ),
        "1 if the value would make a faulty configuration.",
    ),
    "config unset": About(
        "What your own files say holds again, or the default.",
        (("lodestarctl config unset cache.ttl_s", "take it back"),),
        "1 if the configuration would be faulty without it.",
    ),
    "backup now": About(
        "Requests go on meanwhile. The copy is read back and its ledger checked before it gets its name, and those "
        "that [modules.backup] keeps no longer are deleted. With the daemon down, lodestard --backup does it.",
        (("lodestarctl backup now", "one more than the daily ones"),),
        "1 if it could not be made.",
    ),
    "backup list": About(
        "",
        (("lodestarctl backup", "the same"), ("lodestarctl backup list --json", "for a program")),
    ),
    "backup verify": About(
        "Reads all of it, compares every checksum, and proves that the ledger in it adds up. Changes nothing.",
        (
            ("lodestarctl backup verify", "the newest"),
            ("lodestarctl backup verify 20261126T033000Z", "one of the list"),
            ("lodestarctl backup verify /mnt/lodestar-20261126T033000Z.tar.zst", "a file anywhere"),
        ),
        "1 if it is not whole.",
    ),
    "backup restore": About(
        "Verifies it first, says what the restored ledger will not know, and asks. What is there is set aside, never "
        "deleted. Stop the sockets with the daemon, or the next request starts it. What a restored ledger does not "
        "know, its budgets do not count: --keep-spent carries over what the ledger that is there can still tell.",
        (
            ("lodestarctl backup restore 20261126T033000Z", "put it back"),
            ("lodestarctl backup restore 20261126T033000Z --keep-spent", "and keep what was spent since"),
            ("lodestarctl backup restore 20261126T033000Z --to /tmp/then", "elsewhere, to look at it"),
        ),
        "1 if nothing was restored.",
    ),
    "ledger verify": About(
        "Proves that rows, sums and postings agree. Reads only; about a second per 100,000 requests. With a file, or "
        "with the daemon down, lodestard --verify-ledger does it.",
        (
            ("lodestarctl ledger verify", "the daemon's ledger"),
            ("lodestarctl ledger verify copy.db", "a copy"),
        ),
        "1 if it does not add up.",
    ),
    "log-level": About(
        "log.level in the configuration is the level of the next start.",
        (("lodestarctl log-level debug", "much, for a while"), ("lodestarctl log-level info", "as usual")),
    ),
    "drain": About(
        "As SIGTERM does: answers under way have server.drain_s.",
        (("lodestarctl drain", "end well"),),
    ),
    "restart": About(
        "Asks a new lodestard first whether it would start; where it would not, nothing is stopped and you "
        "are told why. Connections wait in the listening sockets meanwhile; answers under way have "
        "server.restart_drain_s.",
        (("lodestarctl restart", "after an update, or a change that needs a start"),),
        "0 if the new one answers, 1 if it would not start, 3 if it did not come back, 4 if you may not.",
    ),
    "doctor": About(
        "Works with the daemon down too: then lodestard --doctor looks from outside.",
        (
            ("lodestarctl doctor", "what is wrong, with what to do"),
            ("lodestarctl doctor --config new.toml", "of another file, with the daemon down"),
        ),
        "1 if something is an error.",
    ),
    "version": About("", (("lodestarctl version", "both, and what they run on"),)),
}
