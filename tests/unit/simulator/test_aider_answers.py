"""Answers to Aider's prompts apply: each format is taken apart again by a small reader of this file's own."""

import re
from collections.abc import Callable

import pytest

from lodestard.simulator.answering.aider import answer_aider, edit_style
from lodestard.simulator.answering.question import Question, Turn

FILES = (
    "I have *added these files to the chat* so you can go ahead and edit them.\n\n"
    "*Trust this message as the true contents of these files!*\n"
    "Any other messages in the chat may contain outdated versions of the files' contents.\n"
)
CODER = "Act as an expert software developer.\nTake requests for changes to the supplied code.\n"
SYSTEMS = {
    "whole": CODER + "To suggest changes to a file you MUST return the entire content of the updated file.\n",
    "diff": CODER + "Describe each change with a *SEARCH/REPLACE block* per the examples below.\n",
    "diff-fenced": CODER
    + "Describe each change with a *SEARCH/REPLACE block*.\n"
    + "```python\nmathweb/app.py\n<<<<<<< SEARCH\na\n=======\nb\n>>>>>>> REPLACE\n```\n",
    "udiff": CODER + "write out the changes similar to a unified diff like `diff -U0` would produce.\n",
    "patch": CODER + "*SEARCH/REPLACE block*\nenclosed within `*** Begin Patch` and `*** End Patch` markers.\n",
}
CONTENT = "def hello():\n    print('hi')\n\n\nhello()\n"


def ask(system: str, instruction: str, files: dict[str, str] | None = None, fence: str = "```") -> Question:
    turns = [Turn("system", system)]
    if files:
        closing = fence.replace("<", "</")
        listing = "".join(f"\n{path}\n{fence}\n{content}{closing}\n" for path, content in files.items())
        turns += [
            Turn("user", FILES + listing),
            Turn("assistant", "Ok, any changes I propose will be to those files."),
        ]
    return Question(model="m", turns=(*turns, Turn("user", instruction)))


def apply_whole(answer: str, files: dict[str, str], fence: str = "```") -> None:
    lines = answer.splitlines(keepends=True)
    start = next(at for at, line in enumerate(lines) if line.startswith(fence))
    end = next(at for at in range(start + 1, len(lines)) if lines[at].startswith(fence.replace("<", "</")))
    files[lines[start - 1].strip()] = "".join(lines[start + 1 : end])


def apply_diff(answer: str, files: dict[str, str], *, path_inside: bool = False) -> None:
    inside = r"```\w*\n(?P<path>\S+)\n" if path_inside else r"(?P<path>\S+)\n(?:```\w*|<source>)\n"
    pattern = inside + r"<{5,9} SEARCH\n(?P<old>.*?)={5,9}\n(?P<new>.*?)>{5,9} REPLACE\n(?:```|</source>)"
    (found,) = re.finditer(pattern, answer, re.DOTALL)
    path, old, new = found["path"], found["old"], found["new"]
    before = files.get(path, "")
    before = before if not before or before.endswith("\n") else before + "\n"
    assert before.count(old) == 1 or not old
    files[path] = before.replace(old, new) if old else before + new


def apply_udiff(answer: str, files: dict[str, str]) -> None:
    (block,) = re.findall(r"```diff\n(.*?)```", answer, re.DOTALL)
    old_name, new_name, _hunk, *rest = block.splitlines(keepends=True)
    assert old_name.startswith("--- ")
    path = new_name[4:].strip()
    before = "".join(line[1:] for line in rest if line[0] in " -")
    after = "".join(line[1:] for line in rest if line[0] in " +")
    content = files.get(path, "")
    content = content if not content or content.endswith("\n") else content + "\n"
    assert content.count(before) == 1 or not before
    files[path] = content.replace(before, after) if before else content + after


def apply_patch(answer: str, files: dict[str, str]) -> None:
    assert answer.startswith("*** Begin Patch\n")
    (block,) = re.findall(r"^\*\*\* Begin Patch\n(.*?)^\*\*\* End Patch$", answer, re.DOTALL | re.MULTILINE)
    action, *rest = block.splitlines(keepends=True)
    path = action.partition("File: ")[2].strip()
    rest = [line for line in rest if not line.startswith("@@")]
    before = "".join(line[1:] for line in rest if line[0] in " -")
    after = "".join(line[1:] for line in rest if line[0] in " +")
    content = files.get(path, "")
    content = content if not content or content.endswith("\n") else content + "\n"
    assert action.startswith("*** Add File") == (not before)
    files[path] = content.replace(before, after) if before else content + after


APPLY: dict[str, Callable[[str, dict[str, str]], None]] = {
    "whole": apply_whole,
    "diff": apply_diff,
    "diff-fenced": lambda answer, files: apply_diff(answer, files, path_inside=True),
    "udiff": apply_udiff,
    "patch": apply_patch,
}


@pytest.mark.parametrize("style", list(SYSTEMS))
@pytest.mark.parametrize("content", [CONTENT, CONTENT.rstrip("\n"), "x\nx\nx\n", ""])
def test_an_edit_applies(style: str, content: str) -> None:
    question = ask(SYSTEMS[style], "add the line `print('bye')` to hello.py", {"hello.py": content})
    assert edit_style(question) == style
    files = {"hello.py": content}
    answer = answer_aider(question)
    assert answer is not None
    APPLY[style](answer, files)
    ended = content if not content or content.endswith("\n") else content + "\n"
    assert files == {"hello.py": ended + "print('bye')\n"}


@pytest.mark.parametrize("style", list(SYSTEMS))
def test_a_new_file_is_made(style: str) -> None:
    answer = answer_aider(ask(SYSTEMS[style], "create pkg/new.py with `x = 1`"))
    assert answer is not None
    files: dict[str, str] = {}
    APPLY[style](answer, files)
    assert files == {"pkg/new.py": "x = 1\n"}


def test_without_a_quoted_line_a_comment_is_added() -> None:
    for path, mark in (("a.py", "#"), ("b.ts", "//")):
        files = {path: "x\n"}
        answer = answer_aider(ask(SYSTEMS["whole"], f"Please tidy {path} a bit", files))
        assert answer is not None
        apply_whole(answer, files)
        assert files[path] == f"x\n{mark} Please tidy {path} a bit\n"


def test_the_first_file_is_meant_where_none_is_named() -> None:
    files = {"a.py": "x\n", "b.py": "y\n"}
    answer = answer_aider(ask(SYSTEMS["diff"], "say more", files))
    assert answer is not None
    apply_diff(answer, files)
    assert files["a.py"] == "x\n# say more\n"


def test_the_named_one_of_many_files() -> None:
    files = {"src/a.py": "x\n", "src/b.py": "y\n"}
    answer = answer_aider(ask(SYSTEMS["diff"], "change b.py: add `z`", files))
    assert answer is not None
    apply_diff(answer, files)
    assert files == {"src/a.py": "x\n", "src/b.py": "y\nz\n"}


def test_other_fences() -> None:
    files = {"readme.md": "```\ncode\n```\n"}
    answer = answer_aider(ask(SYSTEMS["whole"], "add `done` to readme.md", files, fence="````"))
    assert answer is not None
    apply_whole(answer, files, fence="````")
    assert files["readme.md"] == "```\ncode\n```\ndone\n"
    files = {"a.md": "```\n````\n"}
    answer = answer_aider(ask(SYSTEMS["diff"], "add `done` to a.md", files, fence="<source>"))
    assert answer is not None
    apply_diff(answer, files)
    assert files["a.md"] == "```\n````\ndone\n"


def test_a_reminder_in_the_users_message_is_no_instruction() -> None:
    said = "add `y = 2` to a.py\n\nTo suggest changes to a file you MUST return `path/to/filename.js` …"
    files = {"a.py": "x\n"}
    answer = answer_aider(ask(SYSTEMS["whole"], said, files))
    assert answer is not None
    apply_whole(answer, files)
    assert files["a.py"] == "x\ny = 2\n"


def test_words_where_words_are_wanted() -> None:
    commit = (
        "You are an expert software engineer that generates concise, one-line Git commit messages based on diffs."
    )
    diffs = "# Diffs:\ndiff --git a/hello.py b/hello.py\n--- a/hello.py\n+++ b/hello.py\n+print(1)\n"
    assert answer_aider(ask(commit, diffs)) == "feat: update hello.py"
    assert answer_aider(ask(commit, "nothing")) == "chore: update files"
    architect = "Act as an expert architect engineer and provide direction to your editor engineer.\n"
    plan = answer_aider(ask(architect, "add `x = 1` to a.py", {"a.py": "y\n"}))
    assert plan is not None
    assert "a.py" in plan
    assert "`x = 1`" in plan
    assert "new file b.py" in str(answer_aider(ask(architect, "write b.py")))
    assert answer_aider(ask("Act as an expert code analyst.\n", "why?")) is not None
    assert str(answer_aider(ask("*Briefly* summarize this partial conversation", "…"))).startswith("I asked you")
    assert answer_aider(ask("You are helpful.", "hi")) is None
