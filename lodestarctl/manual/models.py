"""What is told of the commands about models: the aliases, the cards, the router, the cache."""

from collections.abc import Mapping

from lodestarctl.manual.about import About

MODEL = (
    "MODEL is an alias (its first local model is meant), a model's own name, or host/model where several hosts "
    "have it."
)

ABOUT: Mapping[str, About] = {
    "models list": About("", (("lodestarctl models", "every alias, its route, its price"),)),
    "models test": About(
        "The calls are as small as can be and count like any other. On a terminal it asks before calls that "
        "cost money; elsewhere it needs --yes.",
        (
            ("lodestarctl models test", "all aliases"),
            ("lodestarctl models test local-llama gpt-4o-mini --yes", "two, without a question"),
        ),
        "0 if all have answered, otherwise that of the first failure.",
    ),
    "models compare": About(
        "Both are asked at once, with their budgets and a row in the ledger each. With --blind they are "
        "called A and B, in an order by chance, until you have said which is better; the vote counts as "
        "feedback.",
        (
            ('lodestarctl models compare local-llama gpt-4o "Explain WAL mode"', "two answers with price and speed"),
            ('lodestarctl models compare auto gpt-4o --blind "Review" --file a.py', "vote without the names"),
        ),
        "0 if both have answered, otherwise that of the first failure.",
    ),
    "models pick": About(
        "Enter prints the name; with --use it is switched to, as by lodestarctl use. Where there is no "
        "terminal the list is printed, the best first; so it is with --json.",
        (
            ("lodestarctl models pick", "choose from all"),
            ("lodestarctl models pick dsc --use", "find deepseek-coder, and ask it from now on"),
        ),
        "1 if no model has these letters.",
    ),
    "models pull": About(
        f"{MODEL} It can be stopped at any time (Ctrl-C) and goes on where it was.",
        (
            ("lodestarctl models pull llama3.1:8b", "to the host whose routes name it"),
            ("lodestarctl models pull t600/llama3.1:8b", "to the host t600"),
        ),
    ),
    "gpu": About(
        "A host is an upstream with the dialect ollama. Shown are what it is at and why, its models with "
        "what keeps them on the card, how fast they load, read and write, and how long a request that came "
        "now would wait.",
        (
            ("lodestarctl gpu", "all hosts"),
            ("lodestarctl gpu t600", "only one"),
        ),
    ),
    "gpu queue": About("", (("lodestarctl gpu queue", "who is answered and who waits, on all hosts"),)),
    "gpu pin": About(
        f"{MODEL} Only requests that somebody waits for may displace it, and it comes back when they are done.",
        (
            ("lodestarctl gpu pin deepseek-coder:6.7b", "keep it"),
            ("lodestarctl gpu pin t600/llama3.1:8b --exclusive", "whoever waits"),
        ),
    ),
    "gpu unpin": About("", (("lodestarctl gpu unpin deepseek-coder:6.7b", "others may take its place again"),)),
    "gpu pause": About(
        "Ends nothing that is being answered; then all models leave the card. New requests go to the next "
        "model of their route, or are refused with 503.",
        (
            ("lodestarctl gpu pause t600 --for 2h", "for two hours"),
            ("lodestarctl gpu pause", "the only host, until gpu resume"),
        ),
    ),
    "gpu resume": About("", (("lodestarctl gpu resume t600", "it takes requests again"),)),
    "warm": About(MODEL, (("lodestarctl warm local-llama", "load its local model now"),)),
    "unload": About(MODEL, (("lodestarctl unload llama3.1:8b", "once its requests are answered"),)),
    "route explain": About(
        "Makes the plan of a request that nobody sends, from what the house knows at this moment. Costs nothing and "
        "keeps nothing of the text.",
        (
            ('lodestarctl route explain "Rename parse()" --file parser.py', "a prompt with a file"),
            ("lodestarctl route explain --prefer best --tag private - < notes.txt", "with what a client would say"),
            ("lodestarctl route explain --tokens 90000 --tools", "by its size and shape alone"),
            ("lodestarctl route explain --body request.json --dialect anthropic", "a whole request"),
        ),
        "1 if nobody may answer it.",
    ),
    "recommend": About(
        "Weighs every configured model that can chat as if all stood in one route, and says what the figures "
        "stand on.",
        (
            ('lodestarctl recommend "Write a commit message" --task commit', "for one kind of work"),
            ("lodestarctl recommend --tokens 30000 --prefer cheap", "for a long prompt"),
        ),
        "1 if there is none.",
    ),
    "route backtest": About(
        "FILE of --config is a whole configuration, or only what differs ([models], [[rules]], [routing], "
        "[traits], [prices]). What both policies choose alike stays as it was recorded; the rest is "
        "estimated from recorded tokens and paces. Nothing is sent to a model.",
        (("lodestarctl route backtest --config new.toml --since 30d", "the last 30 days under another policy"),),
        "1 if the file has faults.",
    ),
    "route shadow": About(
        "The shadow policy is the file that routing.shadow names. It is asked about each request and changes "
        "nothing.",
        (("lodestarctl route shadow --since 7d", "what it would have done in seven days"),),
    ),
    "cache stats": About("", (("lodestarctl cache", "hits, misses, sizes, what was saved"),)),
    "cache clear": About(
        "Without options all answers are forgotten.",
        (
            ("lodestarctl cache clear --older-than 7d", "what is older than a week"),
            ("lodestarctl cache clear --model gpt-4o", "the answers of one model"),
        ),
    ),
    "cache warm": About(
        "A line with an answer, from cache export, is taken in. A line with a request alone is asked, as by "
        "any client, and may cost money.",
        (
            ("lodestarctl cache warm answers.jsonl", "what cache export has printed elsewhere"),
            ("lodestarctl cache warm - < requests.jsonl", "ask what will be asked soon"),
        ),
        "1 if a line was not kept.",
    ),
    "cache export": About(
        "The lines hold answers and hashes of requests, never prompts.",
        (("lodestarctl cache export > answers.jsonl", "keep them in a file"),),
    ),
    "eval idle": About(
        "Replays requests that a paid model has answered on a local one while the card is idle, and compares the two "
        "answers. It costs nothing and needs ledger.store_text, so that prompts are kept.",
        (
            ("lodestarctl eval idle", "what it is at, or what it waits for"),
            ("lodestarctl eval idle on", "begin to learn"),
            ("lodestarctl eval idle report", "what was learned"),
        ),
        "1 if on or off would make a faulty configuration.",
    ),
}
