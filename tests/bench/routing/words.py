"""The grammar of made-up prompts: how people open a request of each kind, and what they say about how hard it is.

Law: written for people who ask, not for a reader: kinds share words, several openings fit two kinds, and one in
``vague`` says nothing at all. Nobody who classifies may import this.
"""

from collections.abc import Mapping

OPENINGS: Mapping[str, tuple[str, ...]] = {
    "code": (
        "Write a {lang} function that {action}.",
        "I need a small {lang} program: it {action}.",
        "Implement {thing} in {lang}. It {action}.",
        "Create {file} with a class for {thing}.",
        "Add a new endpoint that {action}.",
        "Build {thing} from scratch; it {action}.",
    ),
    "edit": (
        "In {file}, rename {name} to {other} and adapt the callers.",
        "Change {thing} so that it {action}.",
        "Refactor {name} in {file}; behaviour stays as it is.",
        "Replace {name} by {other} everywhere in {file}.",
        "Make {name} take a timeout and pass it through {thing}.",
        "Move {name} out of {file} into a module of its own.",
    ),
    "debug": (
        "{name} fails since yesterday, why?",
        "This raises an error when {thing} is empty. Find the cause.",
        "{thing} returns the wrong result on the second call.",
        "Our build is red after the merge of {thing}. What is wrong here?",
        "It hangs in {name} every now and then. Please fix it.",
        "Why do I get this when I run {file}?",
    ),
    "test": (
        "Write tests for {name} in {file}.",
        "Add a regression test: {thing} must not accept an empty list.",
        "Cover the edge cases of {name} with pytest.",
        "We have no tests of {thing}. Start with the happy path and two failures.",
        "Mock {thing} so that {name} can be tested alone.",
    ),
    "explain": (
        "What does {name} do in {file}?",
        "Explain how {thing} works here.",
        "I don't understand this part of {file}. Can you walk me through it?",
        "What is the difference between {name} and {other}?",
        "Why is {thing} written like that?",
    ),
    "review": (
        "Please review this change to {file}.",
        "Anything wrong with this patch? It touches {thing}.",
        "Look over {name} before I merge it: naming, errors, races.",
        "Is this a good way to do {thing}? Be critical.",
        "Check the following for security problems.",
    ),
    "commit": (
        "Write the commit message for this diff.",
        "One line that says what was changed:",
        "Summarise the staged changes as a commit message.",
        "Give me a conventional commit subject for the following.",
    ),
    "summary": (
        "Summarise this conversation for later.",
        "Give me the gist of the thread below in five sentences.",
        "Shorten this report, keep the figures.",
        "tl;dr of the following notes please",
        "What was decided in this meeting?",
    ),
    "plan": (
        "How should we split {thing} into services?",
        "Propose a design for {thing}. It {action}.",
        "Draw up the steps to migrate {thing} without downtime.",
        "Which architecture would you choose so that it {action}? Compare two.",
        "Plan the work on {thing} for the next three weeks.",
    ),
    "autocomplete": (
        "def {name}(self, value):\n    ",
        "for item in {other}:\n    if item.",
        "import os\nfrom pathlib import Path\n\nclass {name}:\n    def __init__(self",
        "const {name} = async (request) => {{\n  const body = ",
        "# read {file} and return the rows\n",
    ),
    "docs": (
        "Write the README section about {thing}.",
        "Document {name} for users of the library.",
        "Draft a how-to: set up {thing} on a fresh machine.",
        "Add docstrings to everything public in {file}.",
        "Write the release notes for this version.",
    ),
    "maths": (
        "Show that the sum is bounded by n log n.",
        "A tank fills in {number} hours through one pipe and in {number} through another. How long with both?",
        "Compute the expected number of draws until all {number} colours were seen.",
        "Find all integers x with x^2 + {number} x divisible by {number}.",
        "What is the derivative of x^{number} sin(x)?",
    ),
    "data": (
        "Write a query: customers without an order in the last {number} days.",
        "Group this table by month and sum the amounts.",
        "With pandas, join {file} and the list of regions, then pivot.",
        "Why is this SELECT slow? The table has {number} million rows.",
        "Turn these rows into a chart of sales by region.",
    ),
    "extract": (
        "Pull the names and dates out of the text below as JSON.",
        "Which of these tickets are complaints? Answer yes or no for each.",
        "Label the mood of each comment: good, bad or neutral.",
        "Get the invoice number, the total and the currency.",
        "List every company that is mentioned.",
    ),
    "translate": (
        "Translate into German:",
        "How do you say this in French, politely?",
        "Bring this text from Spanish into English, keep the markup.",
        "Translate the strings of {file} into Italian.",
    ),
    "shell": (
        "Which command finds all files above {number} MB below /var?",
        "Write a bash script that {action}.",
        "The service does not start under systemd. How do I see its log?",
        "rsync {file} to the other machine, but only what is newer",
        "Set up a cron job that {action}.",
    ),
    "chat": (
        "Hi! How are things?",
        "What should I cook tonight? I have {number} eggs and some rice.",
        "Recommend a book about the history of {topic}.",
        "Write a birthday greeting for a colleague who likes {topic}.",
        "Who was the first to write about {topic}?",
        "Tell me something about {topic}.",
    ),
}  # fmt: skip
VAGUE = (
    "Can you help me with this?",
    "Please have a look.",
    "See below.",
    "And now the same for {thing}, please.",
    "Continue.",
    "ok, next: {thing}",
    "I am not sure what to do about {thing}. Ideas?",
)
SLOTS: Mapping[str, tuple[str, ...]] = {
    "lang": ("Python", "Go", "Rust", "TypeScript", "C", "Java", "Lua"),
    "file": ("server.py", "src/queue.rs", "app/models.py", "lib/parse.ts", "main.go", "orders.csv", "core/io.c"),
    "name": ("parse_line", "RetryQueue", "load_rows", "merge", "handle_login", "send_all", "Scheduler", "find_path"),
    "other": ("read_line", "WorkQueue", "rows", "combine", "sign_in", "targets", "Planner", "edges"),
    "thing": (
        "the retry queue", "the login form", "the invoice table", "our cache", "the importer", "the rate limiter",
        "the search index", "the scheduler", "the upload dialog", "the event log", "the plugin loader",
    ),
    "action": (
        "reads a CSV file and prints the totals", "keeps the last hundred lines", "retries three times",
        "removes duplicates but keeps the order", "sends a mail when it is done", "merges two sorted streams",
        "checks the signature of an upload", "writes a backup every night", "limits each client to ten a second",
    ),
    "topic": ("tea", "bridges", "chess", "lighthouses", "bread", "clocks", "the Baltic", "maps"),
    "number": ("3", "7", "12", "30", "48", "90", "250"),
}  # fmt: skip
HARD = (
    "It must hold while several writers are at it, without a lock around the whole.",
    "It has to stay compatible with the two versions before.",
    "It only goes wrong once in a thousand runs, on the machine with many cores.",
    "The whole must not take more than O(n log n), and no second copy fits into memory.",
    "Give the reason for each step; a hand-waving argument is no use to me.",
    "Mind the corner cases: clocks that go back, half-written files, a peer that never answers.",
    "The requirements contradict each other in two places; find them and say which to drop.",
    "There are about forty callers in three languages.",
)
EASY = (
    "Nothing fancy.",
    "A one-liner is fine.",
    "Keep it short.",
    "It is only for a demo.",
    "Just the simplest thing that works.",
    "Should be quick.",
)
FILLER = (
    "We use it in the office since spring.", "Thanks in advance!", "I have attached what matters.",
    "The rest of the project looks much the same.", "My colleague wrote most of it.", "It runs on Debian.",
    "Tell me if you need more.", "The customer asked for it twice.", "I tried it on my own machine first.",
    "Last week it was fine.", "There is a deadline on Friday.", "We talked about it this morning.",
)  # fmt: skip
CODE = (
    "    total = 0", "    for row in rows:", "        total += row.amount", "    return total", "def merge(a, b):",
    "    if not a: return b", "class Job:", "    def run(self):", "        self.state = 'running'",
    "        while self.queue:", "            yield self.queue.pop(0)", "    raise ValueError(name)",
)  # fmt: skip
TRACE = (
    "Traceback (most recent call last):", '  File "server.py", line 88, in handle', "    rows = load_rows(path)",
    "KeyError: 'amount'", "thread 'main' panicked at src/queue.rs:41", "panic: runtime error: index out of range",
    "E   assert 3 == 4", "exit status 1",
)  # fmt: skip
DIFF = (
    "@@ -12,7 +12,9 @@", "-    return rows", "+    return [row for row in rows if row.amount]", "+import logging",
    "diff --git a/server.py b/server.py", "-    timeout = 5", "+    timeout = 30",
)  # fmt: skip
PROSE = (
    "Anna said that the delivery of 12 March is late again.", "Mr Brown asks for his money back.",
    "Total: 1,240.50 EUR, due in 30 days.", "The second floor liked the new layout, the first did not.",
    "We agreed to wait until the figures of May are in.", "North GmbH and Ferry Ltd. signed on Monday.",
    "region;month;amount", "north;2025-03;812", "south;2025-04;77",
)  # fmt: skip
BESIDE: Mapping[str, tuple[tuple[str, ...], ...]] = {
    "code": (CODE, ()), "edit": (CODE,), "debug": (TRACE, CODE), "test": (CODE,), "explain": (CODE, ()),
    "review": (DIFF, CODE), "commit": (DIFF,), "summary": (PROSE,), "plan": ((), CODE), "autocomplete": (CODE,),
    "docs": (CODE, ()), "maths": ((),), "data": (PROSE, CODE), "extract": (PROSE,), "translate": (PROSE,),
    "shell": ((), TRACE), "chat": ((),),
}  # fmt: skip
"""What stands below the opening: lines of these, one of the lists at a time."""
