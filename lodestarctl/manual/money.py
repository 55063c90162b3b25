"""What is told of the commands about money: costs, prices, budgets, bills, alerts, clients' keys."""

from collections.abc import Mapping

from lodestarctl.manual.about import About

ABOUT: Mapping[str, About] = {
    "costs": About(
        "Without --by it shows this month by model, what saved how much, the last 14 days, and how the month "
        "may end. With --by it is one table. Amounts are exact. Savings are counted against ledger.baseline. "
        "Times are aligned down to quarters of an hour, in the ledger's time zone.",
        (
            ("lodestarctl costs", "this month"),
            ("lodestarctl costs --by project --since 7d", "the last seven days by project"),
            ("lodestarctl costs --by user --top 10 --graph", "the ten dearest users, and the course of time"),
        ),
    ),
    "costs report": About(
        "Without -o the document goes to standard output.",
        (
            ("lodestarctl costs report --month last -o october.html", "last month, to print or send"),
            ("lodestarctl costs report --month 2026-10 -o october.md", "one month as Markdown"),
        ),
    ),
    "costs export": About(
        "Without -o a terminal gets the file lodestar-costs.csv, which replaces none, and a pipe gets the "
        "rows. The sum of a column is what lodestarctl costs says. With a ledger's file it works without the "
        "daemon.",
        (
            ("lodestarctl costs export -o all.csv", "everything"),
            ("lodestarctl costs export --jsonl --since 30d | head", "the first lines of the last 30 days"),
            ("lodestarctl costs export ledger.db -o all.csv", "from a copy of the ledger"),
        ),
    ),
    "costs explain": About(
        "", (("lodestarctl costs explain 3k9v2", "by the end of the request's id, down to the rounding"),)
    ),
    "prices": About(
        "",
        (
            ("lodestarctl prices", "all configured models"),
            ("lodestarctl prices gpt-4o", "one in full, with changes to come"),
        ),
    ),
    "prices check": About(
        "", (("lodestarctl prices check", "what should be looked at"),), "1 if something is to be done."
    ),
    "budget list": About("", (("lodestarctl budget", "what is spent, held and left, and what was alerted"),)),
    "budget set": About(
        "Writes [budgets.NAME] to conf.d/90-lodestarctl.toml, after a check with everything else, and takes "
        "it in. A hard budget is never overrun: the worst case of each paid request is set aside before it "
        "is sent. What is not said stays as it is, or is the default: global, month, hard, free.",
        (
            ("lodestarctl budget set month --usd 20", "20 dollars a month for everything"),
            (
                "lodestarctl budget set each --scope project --usd 2 --soft",
                "an alert at 2 dollars a month of any project",
            ),
            ("lodestarctl budget set laptop --scope principal --of laptop --usd 5", "of one client with a key"),
        ),
        "1 if the budget would make a faulty configuration.",
    ),
    "budget unset": About(
        "What the configuration's own file says of it holds again.",
        (("lodestarctl budget unset month", "take back what budget set has written"),),
        "1 if the configuration would be faulty without it.",
    ),
    "budget override": About(
        "Who did it, when and why is kept, and shown by budget history.",
        (
            ('lodestarctl budget override month --for 2h --reason "release"', "no limit for two hours"),
            ("lodestarctl budget override month --for 1d --extra 5 --reason trial", "five dollars more for a day"),
        ),
    ),
    "budget revoke": About("", (("lodestarctl budget revoke month", "the limit holds again"),)),
    "budget history": About("", (("lodestarctl budget history -n 10", "the latest ten"),)),
    "alerts list": About("", (("lodestarctl alerts", "the latest 50, and by which ways they went"),)),
    "alerts test": About(
        "Sends a harmless alert to the log, and by the webhook and the mail of [modules.alerts].",
        (("lodestarctl alerts test", "does each way work?"),),
        "1 if it could not be delivered by one of them.",
    ),
    "reconcile run": About(
        "Needs [modules.reconcile] and an administrator's key of the provider. A day is final two days after "
        "its end, and is looked at again only when --day names it. No request's cost is changed by what is "
        "found.",
        (
            ("lodestarctl reconcile", "the days that are not final"),
            ("lodestarctl reconcile run --day 2026-11-20", "one day, also a final one"),
        ),
        "6 if a provider's bill could not be read.",
    ),
    "reconcile show": About("", (("lodestarctl reconcile show", "what the latest looks found"),)),
    "keys add": About(
        "From the first client on every request needs a key, those of this machine's own programs too, "
        "unless server.keyless_loopback says otherwise. The client's name is its principal in costs and "
        "budgets. Only a hash of the key is kept.",
        (
            ("lodestarctl keys add laptop --requests-per-minute 60", "a client, and how much it may ask"),
            ("lodestarctl keys add phone --models local-llama,gpt-4o-mini", "only two models"),
            ("lodestarctl keys add laptop --replace", "a new key for it"),
        ),
        "1 if no key was made.",
    ),
    "keys list": About("", (("lodestarctl keys", "all clients"),)),
    "keys revoke": About("", (("lodestarctl keys revoke laptop", "it can't ask any more"),), "1 if it still can."),
}
