"""What is told of the commands of every day: asking, looking, sessions, projects, switches."""

from collections.abc import Mapping

from lodestarctl.manual.about import About

ABOUT: Mapping[str, About] = {
    "status": About(
        "Shows whether lodestard takes requests, its upstreams and cards, today's and this month's figures, "
        "and at the top what is wrong or alerted now.",
        (
            ("lodestarctl status", "the house now"),
            ("lodestarctl status --json", "the same for a program"),
        ),
    ),
    "dashboard": About(
        "The daemon pushes what changes, so it may stay open all day. Press ? for the keys and q to leave. "
        "It needs 60 x 15 characters and a terminal that can move its cursor. With --json it streams the "
        "items as they come, one a line; with --once too, only the first one, which is whole.",
        (
            ("lodestarctl dashboard", "everything, live"),
            ("lodestarctl dashboard --screen gpu --ascii", "the cards, for a terminal without UTF-8"),
            ("lodestarctl dashboard --once --screen models", "one screen, for a mail or a script"),
        ),
    ),
    "requests": About(
        "Requests are listed oldest first. With -f each one is printed when it ends, until Ctrl-C.",
        (
            ("lodestarctl requests", "the latest 20"),
            ("lodestarctl requests -f -n 0", "only those that end from now on"),
        ),
    ),
    "explain": About(
        "Shows the task, the rules that fitted, each candidate with its price and expected wait, every "
        "attempt, and what was held and charged. Works for requests that the ledger still has "
        "(ledger.retention_days).",
        (
            ("lodestarctl explain 3k9v2", "by the end of the id; four letters or more"),
            ("lodestarctl explain req_01jd8m3k9v2", "by the whole id"),
        ),
    ),
    "ask": About(
        "The answer goes to standard output as it comes; who gave it, what it cost and the request's id go "
        "to standard error. It counts, costs and is cached like any other request.",
        (
            ('lodestarctl ask "What does EX_CONFIG mean?"', "one question to the alias auto"),
            ("lodestarctl ask -m local-llama - < notes.txt", "a question from a file"),
        ),
    ),
    "session start": About(
        "On a machine that several people use, say --user or --client: otherwise everybody's unnamed requests belong "
        "to it. Sessions survive a restart of the daemon.",
        (
            ("lodestarctl session start refactor --project alpha", "of one project, under a name"),
            ("lodestarctl session start --client aider", "only Aider's requests"),
        ),
    ),
    "session end": About(
        "",
        (
            ("lodestarctl session end", "the one that was started, or the only one"),
            ("lodestarctl session end aider-20261125-2103-k3f", "this one"),
        ),
    ),
    "session show": About(
        "Shows cost, savings, tokens, tasks, models and every change of model.",
        (
            ("lodestarctl session show", "the latest"),
            ("lodestarctl session show refactor", "the one of this name"),
        ),
    ),
    "session list": About("", (("lodestarctl session list -n 50", "the latest 50"),)),
    "feedback": About(
        "Verdicts are kept as long as their requests and weigh in what models are thought to be good at. No "
        "word of a prompt or an answer is kept with them.",
        (
            ("lodestarctl feedback 3k9v2 good", "that answer was good"),
            ("lodestarctl feedback 3k9v2 bad --kind debug", "bad, and the work was debugging"),
        ),
    ),
    "feedback list": About("", (("lodestarctl feedback list -n 50", "the latest 50"),)),
    "use": About(
        "Changes which alias is asked and nothing else: keys, labels and budgets hold. It leaves alone what names "
        "upstream/model outright, embeds or completes code. The narrower switch wins. It survives a restart.",
        (
            ("lodestarctl use gpt-4o --for 2h", "every chat alias is answered by gpt-4o for two hours"),
            ("lodestarctl use local-llama --project web", "only in one project"),
            ("lodestarctl use", "what is switched"),
            ("lodestarctl use -", "take it back"),
        ),
    ),
    "aider": About(
        "Without --write it prints three files: .aider.conf.yml, .aider.model.settings.yml and "
        ".aider.model.metadata.json. What is in such a file already stays; where it says otherwise the "
        "difference is shown and nothing is written without --force. Run it again when prices or models have "
        "changed.",
        (
            ("lodestarctl aider", "show what would be written, and what Aider can't do"),
            ("lodestarctl aider --write --model gpt-4o --weak local-llama", "write it"),
        ),
        "1 if a file that is there already says otherwise.",
    ),
    "statusline": About(
        "Reads a small file that the daemon keeps, so it takes little longer than Python's start. It says "
        '"lodestard down" where that file is missing or older than a minute.',
        (
            ("lodestarctl statusline", "what today cost and saved, and how full the fullest budget is"),
            ("lodestarctl statusline --format '{cost_today} {card}'", "only these fields"),
            ("lodestarctl statusline --tmux", "for status-right in tmux.conf"),
        ),
        "0, whatever happens: a prompt must not fail.",
    ),
    "project init": About(
        "Writes .lodestar.toml, which says what Lodestar does for requests of this project, and Aider's "
        "files. It has no effect before lodestarctl project trust.",
        (
            ("lodestarctl project init web --dry-run", "show the files of a web project"),
            ("lodestarctl project init cli --name tool", "write them, under another name than the folder's"),
        ),
    ),
    "project list": About("", (("lodestarctl project list", "the trusted projects"),)),
    "project show": About(
        "", (("lodestarctl project show", "the file of the project around you"),), "1 if the file has faults."
    ),
    "project trust": About(
        "Trust is in this very text in this very folder. After a change the new text has no effect until it "
        "is trusted again; the limits of the old one stand meanwhile.",
        (("lodestarctl project trust", "show the file, ask, and let it take effect"),),
        "1 if the file has faults or you say no.",
    ),
    "project untrust": About(
        "", (("lodestarctl project untrust", "the file here has no effect any more"),), "1 if it was not trusted."
    ),
    "completion": About(
        "Prints a script. Names of models and hosts in it are those that the daemon knew when it was "
        "printed, so it is best made by each shell when it starts.",
        (
            ("source <(lodestarctl completion bash)", "in ~/.bashrc"),
            ("lodestarctl completion fish | source", "in fish's config.fish"),
        ),
    ),
}
