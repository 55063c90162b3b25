"""Aider's edits: what can be applied passes, what can't fails as soon as it is certain."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lodestard.checks import open_watch
from lodestard.checks.edits import edit_style, open_edits
from lodestard.checks.shown_files import ShownFiles, find_listings, plain
from lodestard.domain.reply import Choice, Piece
from lodestard.domain.request import Request
from lodestard.protocols.openai.chat import read_request

SYSTEM = "Act as an expert software developer. Describe each change with a *SEARCH/REPLACE block*."
FILES = """I have *added these files to the chat* so you can go ahead and edit them.

src/hello.py
```
import sys

def main():
    print("a")
    print("b")
```

README.md
````
# Hello
```
code
```
````
"""
LINE = 'print("a")'


def ask(system: str = SYSTEM, files: str = FILES, *more: dict[str, Any]) -> Request:
    messages = [{"role": "system", "content": system}, {"role": "user", "content": files}, *more]
    return read_request(json.dumps({"model": "m", "messages": messages}).encode(), depth=64)


def judge(text: str, request: Request | None = None, *, step: int = 0, finish: Any = "stop") -> str:
    """Why the answer fails, or nothing."""
    watch = open_watch(["edits"], request or ask())
    if watch is None:
        return "not judged"
    size = step or max(1, len(text))
    for start in range(0, len(text), size):
        watch.see([Piece(text=text[start : start + size])])
    watch.end([Choice(text=text, finish=finish)])
    return watch.failure


def block(path: str = "src/hello.py", search: str = '    print("a")\n', replace: str = '    print("c")\n') -> str:
    head = f"{path}\n" if path else ""
    return f"{head}```python\n<<<<<<< SEARCH\n{search}=======\n{replace}>>>>>>> REPLACE\n```\n"


FENCED = '```python\nsrc/hello.py\n<<<<<<< SEARCH\n    print("a")\n=======\n    print("c")\n>>>>>>> REPLACE\n```\n'
GOOD = {
    "one": block(),
    "diff-fenced": FENCED,
    "words around": f"I change it.\n\n{block()}\nDone.\n",
    "no edit": "It prints a.\n",
    "two": block() + block(search='    print("b")\n'),
    "of the same file without its name": block() + block("", '    print("b")\n'),
    "of what the first one wrote": block() + block(search='    print("c")\n'),
    "other indentation": block(search=f"{LINE}\n"),
    "a blank line before": block(search=f"\n    {LINE}\n"),
    "three dots": block(search='import sys\n...\n    print("b")\n'),
    "a new file": block("src/new.py", "", "x = 1\n"),
    "a file that was not shown": block("other.py", "x = 1\n"),
    "its name without the folder": block("hello.py"),
    "text of another file that was shown": block("README.md"),
    "decorated names": "**`src/hello.py`**:\n" + block(""),
    "a heading": "### src/hello.py\n" + block(""),
    "longer marks": block().replace("<<<<<<<", "<<<<<<<<<").replace("=======", "=====").replace(">>>>>>>", ">>>>>"),
    "an empty replacement": block(replace=""),
    "text that was added to a new file": block("new.py", "", "a\n") + block("new.py", "b\n"),
    "no line end": block().removesuffix("```\n").removesuffix("\n"),
    "indented marks": block().replace("=======", "  =======").replace(">>>>>>>", "   >>>>>>>"),
    "all of it indented": "".join(f"  {line}" for line in block().splitlines(keepends=True)),
    "a fence around the texts": block(search=f"```python\n    {LINE}\n```\n", replace='```\n    print("c")\n```\n')
    + block(search='    print("c")\n    print("b")\n'),
    "the name within": block(search=f"src/hello.py\n    {LINE}\n", replace='src/hello.py\n    print("c")\n')
    + block(search='    print("c")\n    print("b")\n'),
    "the name within the block of another file": block("README.md", f"hello.py\n    {LINE}\n"),
    "a fence that is the file's own": block("README.md", "```\ncode\n```\n", "```\nmore\n```\n")
    + block("README.md", "# Hello\n```\nmore\n```\n"),
    "the nearest of two names that was shown": "src/hello.py\n```main.py\n" + block("").split("\n", 1)[1],
    "text of a file that an earlier block added to": block(search="", replace="more\n")
    + block("README.md", "more\n"),
    "DOS line ends": block().replace("\n", "\r\n"),
}
BAD = {
    "text that is not there": (block(search="nothing\n"), "the SEARCH text of block 1 is not in the file it names"),
    "text that an earlier block took away": (
        block() + block(),
        "the SEARCH text of block 2 is not in the file it names",
    ),
    "lines out of order": (
        block(search='    print("b")\n    print("a")\n'),
        "the SEARCH text of block 1 is not in the file it names",
    ),
    "no name": ("```python\n" + block("").split("\n", 1)[1], "block 1 names no file"),
    "a sentence where the name should be": ("I change it.\n\n" + block(""), "block 1 names no file"),
    "of the same file, under a sentence": (
        block() + "And then:\n\n" + block("", "nothing\n"),
        "the SEARCH text of block 2 is not in the file it names",
    ),
    "indented marks": (
        block(search="nothing\n").replace("<<<<<<<", "  <<<<<<<"),
        "the SEARCH text of block 1 is not",
    ),
    "no divider": (block().replace("=======\n", ""), "block 1 is not closed"),
    "no end": (block().replace(">>>>>>> REPLACE\n", ""), "block 1 is not closed"),
    "cut in the SEARCH text": ('src/hello.py\n```\n<<<<<<< SEARCH\n    print("a")', "block 1 is not closed"),
    "the second one": (block() + "and\n" + block(search="nothing\n"), "the SEARCH text of block 2 is not"),
}


@pytest.mark.parametrize("case", GOOD)
@pytest.mark.parametrize("step", [0, 1, 5])
def test_what_can_be_applied(case: str, step: int) -> None:
    assert judge(GOOD[case], step=step) == ""


@pytest.mark.parametrize("case", BAD)
@pytest.mark.parametrize("step", [0, 1, 5])
def test_what_can_not_be_applied(case: str, step: int) -> None:
    text, reason = BAD[case]
    assert judge(text, step=step).startswith(f"edits: {reason}")


def test_it_fails_before_the_replacement_comes() -> None:
    watch = open_watch(["edits"], ask())
    assert watch is not None
    watch.see([Piece(text="src/hello.py\n```\n<<<<<<< SEARCH\nnothing\n====")])
    assert watch.failure == ""
    watch.see([Piece(text="===\n")])
    assert watch.failure == "edits: the SEARCH text of block 1 is not in the file it names"


@pytest.mark.parametrize("finish", ["length", "content_filter"])
def test_what_a_limit_ended_is_not_judged_at_its_end(finish: str) -> None:
    text, _ = BAD["no end"]
    assert judge(text, finish=finish) == ""
    assert judge(block(search="nothing\n"), finish=finish) != ""


def test_each_choice_is_judged_alone() -> None:
    watch = open_watch(["edits"], ask())
    assert watch is not None
    for line in block().splitlines(keepends=True):
        watch.see([Piece(choice=0, text=line), Piece(choice=1, text=line)])
    watch.end([Choice(text=block(), finish="stop")] * 2)
    assert watch.failure == ""


@pytest.mark.parametrize(
    ("system", "style"),
    [
        (SYSTEM, "diff"),
        ("Write edits as unified diffs like `diff -U0` makes.", "udiff"),
        ("Return the entire content of the updated file as a *file listing*.", "whole"),
        ("*** Begin Patch", ""),
        ("Act as an expert code analyst.", ""),
        ("*Briefly* summarize this.", ""),
    ],
)
def test_the_style_is_what_the_prompt_asks_for(system: str, style: str) -> None:
    talk = ask(system).conversation
    assert edit_style(talk) == style
    assert (open_edits(talk) is None) == (not style)


def test_a_reminder_in_the_newest_message_counts_and_history_does_not() -> None:
    assert edit_style(ask("Be good.", "# *SEARCH/REPLACE block* Rules:").conversation) == "diff"
    later = ({"role": "user", "content": "What does it do?"},)
    assert edit_style(ask("Be good.", "# *SEARCH/REPLACE block* Rules:", *later).conversation) == ""


WHOLE = "Return the entire content of the updated file as a *file listing*."


@pytest.mark.parametrize(
    ("text", "failure"),
    [
        ("hello.py\n```python\nx = 1\n```\n", ""),
        ("It does nothing.\n", ""),
        ("hello.py\n```python\nx = 1\n", "edits: a file's listing is not closed"),
        ("```python\nx = 1\n```\n", "edits: a file is listed without its name"),
        ("hello.py\n````\n```\nx\n```\n````\n", ""),
        ("hello.py\n<source>\nx\n</source>\n", ""),
    ],
)
def test_whole_files(text: str, failure: str) -> None:
    assert judge(text, ask(WHOLE), step=3) == failure


def test_a_single_file_needs_no_name() -> None:
    assert judge("```python\nx = 1\n```\n", ask(WHOLE, "a.py\n```\nx\n```\n")) == ""


@pytest.mark.parametrize(
    ("text", "failure"),
    [
        ("```diff\n--- a.py\n+++ a.py\n@@ ... @@\n-x\n+y\n```\n", ""),
        ("Nothing to do.", ""),
        ("```diff\n--- a.py\n+++ a.py\n@@ ... @@\n-x\n+y\n", "edits: a diff is not closed"),
        ("```diff\n@@ ... @@\n-x\n+y\n```\n", "edits: a hunk stands before the name of its file"),
        ("```python\nx = 1\n```\n", ""),
    ],
)
def test_unified_diffs(text: str, failure: str) -> None:
    assert judge(text, ask("Write unified diffs."), step=2) == failure


def test_listings_of_a_prompt() -> None:
    found = {path: list(lines) for path, lines in find_listings(FILES.split("\n"))}
    assert list(found) == ["src/hello.py", "README.md"]
    assert found["README.md"] == ["# Hello", "```", "code", "```"]


@pytest.mark.parametrize(
    "text",
    [
        "a.py\n```\nnever closed",
        "a.py\n```\n<<<<<<< SEARCH\nx\n=======\ny\n>>>>>>> REPLACE\n```\n",
        "\n```\nno name\n```",
        "```",
        "",
    ],
)
def test_what_is_no_listing(text: str) -> None:
    assert list(find_listings(text.split("\n"))) == []


@pytest.mark.repeats
def test_many_unclosed_fences_take_linear_time() -> None:
    assert list(find_listings(["x", "````"] * 100_000)) != []
    assert list(find_listings(["x", "<source>"] * 100_000)) == []


def test_plain_lines() -> None:
    assert plain(["", "  a", "", "b  ", " "]) == "\na\n\nb\n"
    assert plain([" "]) == "\n"


@given(st.lists(st.sampled_from(["a", "b", " a", "", "x = 1"]), min_size=1, max_size=12), st.data())
def test_any_lines_of_a_file_are_found_in_it(lines: list[str], data: Any) -> None:
    first = data.draw(st.integers(0, len(lines) - 1))
    last = data.draw(st.integers(first + 1, len(lines)))
    files = ShownFiles(ask(files="f\n```\n" + "\n".join(lines) + "\n```\n").conversation)
    searched = lines[first:last]
    if any(line.strip() for line in searched):
        assert files.find(searched) is not None
    assert files.find(["not", "there"]) is None


@given(st.text(alphabet="<>=`- SEARCHREPLACE\nx.py", max_size=200), st.integers(1, 9))
def test_portions_change_nothing(text: str, step: int) -> None:
    assert judge(text, step=step) == judge(text)
