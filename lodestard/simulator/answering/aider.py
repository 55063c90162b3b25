"""Answers that Aider can apply: it is known by its system prompts, and gets an edit in the format they ask for.

Law: pure; the edit is made from the file's content in the prompt, so that it applies. The change itself is small
and visible: the line quoted in the instruction where there is one, otherwise a comment with the instruction.
Formats: whole, diff, diff-fenced, udiff, patch, and words for architect, ask, commit and summary prompts.
"""

import re

import msgspec

from lodestard.simulator.answering.question import Question

_CODER = ("Act as an expert software developer", "expert software developer who edits source code")
_FENCES = ("```", "````", "<source>", "<code>", "<pre>", "<codeblock>", "<sourcecode>")
_FILES_HEAD = "*added these files to the chat*"
_REMINDERS = (
    "To suggest changes to a file you MUST",
    "# *SEARCH/REPLACE block* Rules:",
    "# File editing rules:",
    "# V4A Diff Format Rules:",
)
_PATH = re.compile(r"[\w./-]*[\w-]\.[A-Za-z]\w{0,9}\b")
_QUOTED = re.compile(r"```\w*\n(.+?)\n```|`([^`\n]+)`", re.DOTALL)
_FENCED_EXAMPLE = re.compile(r"^(?:```|````|<\w+>)\w*\n\S+\n<{5,9} SEARCH", re.MULTILINE)
_DIFF_PATH = re.compile(r"^\+\+\+ b/(\S+)", re.MULTILINE)


class SourceFile(msgspec.Struct, frozen=True):
    """A file that the chat shows in full."""

    path: str
    content: str


class Edit(msgspec.Struct, frozen=True):
    """``before`` (empty for a new file) becomes ``after``, at one place of the file."""

    path: str
    before: str
    after: str
    whole: str


def answer_aider(question: Question) -> str | None:
    """What a model would answer to Aider's prompt; None where the prompt is not Aider's."""
    system = question.system
    if "generates concise" in system and "Git commit messages" in system:
        return _commit_message(question.last_user)
    if system.startswith("*Briefly* summarize"):
        return "I asked you to make a small change to the code, and you made it."
    if "expert architect engineer" in system:
        return _directions(question)
    if "expert code analyst" in system:
        return f"[simulated {question.model}] The code does what its names say; nothing needs to change."
    if any(mark in system for mark in _CODER):
        return _edit_answer(question)
    return None


def _edit_answer(question: Question) -> str:
    edit = plan_edit(question)
    style = edit_style(question)
    written = _WRITERS[style](edit, _fence_of(question))
    if style == "patch":  # nothing may stand before its first line
        return written
    return f"I will change {edit.path}.\n\n{written}"


def edit_style(question: Question) -> str:
    """Which of Aider's edit formats the prompts ask for."""
    text = "\n".join(turn.text for turn in question.turns)
    if "*** Begin Patch" in text:
        return "patch"
    if "unified diff" in question.system:
        return "udiff"
    if "*SEARCH/REPLACE block*" in text:
        return "diff-fenced" if _FENCED_EXAMPLE.search(text) else "diff"
    return "whole"


def plan_edit(question: Question) -> Edit:
    """Which change to which file answers the instruction."""
    instruction = _instruction(question)
    named = [path.rstrip(".") for path in _PATH.findall(instruction)]
    files = _chat_files(question)
    for source in files:
        if source.path in named or source.path.rsplit("/", 1)[-1] in named:
            return _changed(source, instruction)
    if files and not named:
        return _changed(files[0], instruction)
    path = named[0] if named else "simulated.py"
    content = _wanted_code(instruction, path) + "\n"
    return Edit(path, "", content, content)


def _changed(source: SourceFile, instruction: str) -> Edit:
    """The new line goes after the file's last line, which is repeated as the place to find."""
    line = _wanted_code(instruction, source.path)
    if not source.content.strip():
        return Edit(source.path, "", line + "\n", source.content + line + "\n")
    before = _unique_tail(source.content)
    ending = "" if source.content.endswith("\n") else "\n"
    return Edit(source.path, before, f"{before}{ending}{line}\n", f"{source.content}{ending}{line}\n")


def _unique_tail(content: str) -> str:
    """As many of the last lines as it takes for their first occurrence to be the last."""
    lines = content.splitlines(keepends=True)
    for start in range(len(lines) - 1, -1, -1):
        tail = "".join(lines[start:])
        if tail.strip() and content.find(tail) == len(content) - len(tail):
            return tail
    return content


def _wanted_code(instruction: str, path: str) -> str:
    """The code quoted in the instruction, or a comment that repeats it."""
    for block, inline in _QUOTED.findall(instruction):
        code = block or inline
        if code and not _PATH.fullmatch(code):
            return str(code)
    words = " ".join(instruction.split())[:60] or "changed"
    return f"{_comment_mark(path)} {words}"


def _comment_mark(path: str) -> str:
    ending = path.rsplit(".", 1)[-1]
    if ending in {"js", "ts", "c", "h", "cc", "cpp", "go", "rs", "java", "kt", "swift", "jsx", "tsx"}:
        return "//"
    return "#"


def _instruction(question: Question) -> str:
    """The user's own words: the last user message without the rules that Aider appends."""
    text = question.last_user
    for mark in _REMINDERS:
        text = text.partition(mark)[0]
    return text.strip()


def _chat_files(question: Question) -> list[SourceFile]:
    for turn in reversed(question.turns):
        if turn.role == "user" and _FILES_HEAD in turn.text:
            return _listed_files(turn.text)
    return []


def _listed_files(text: str) -> list[SourceFile]:
    """The path-and-fence listings of one message. A file without a last line end has the fence behind its text."""
    files: list[SourceFile] = []
    lines = text.splitlines(keepends=True)
    at = 1
    while at < len(lines):
        opening = lines[at].rstrip("\n")
        path = lines[at - 1].strip()
        if opening not in _FENCES or not path:
            at += 1
            continue
        end, content = _until_fence(lines, at + 1, _closing(opening))
        files.append(SourceFile(path, content))
        at = end + 1
    return files


def _until_fence(lines: list[str], start: int, closing: str) -> tuple[int, str]:
    for at in range(start, len(lines)):
        line = lines[at].rstrip("\n")
        if line.endswith(closing):
            return at, "".join(lines[start:at]) + line.removesuffix(closing)
    return len(lines), "".join(lines[start:])


def _fence_of(question: Question) -> str:
    """The fence that Aider chose for this chat: the one its listings and rules use."""
    text = "\n".join(turn.text for turn in question.turns)
    for fence in reversed(_FENCES):
        if re.search(rf"^{re.escape(fence)}(?:python)?$", text, re.MULTILINE):
            return fence
    return "```"


def _closing(fence: str) -> str:
    return fence.replace("<", "</") if fence.startswith("<") else fence


def _write_whole(edit: Edit, fence: str) -> str:
    return f"{edit.path}\n{fence}\n{_ended(edit.whole)}{_closing(fence)}\n"


def _blocks(edit: Edit) -> str:
    return f"<<<<<<< SEARCH\n{_ended(edit.before)}=======\n{_ended(edit.after)}>>>>>>> REPLACE\n"


def _write_diff(edit: Edit, fence: str) -> str:
    return f"{edit.path}\n{fence}{_language(edit, fence)}\n{_blocks(edit)}{_closing(fence)}\n"


def _write_diff_fenced(edit: Edit, fence: str) -> str:
    return f"{fence}{_language(edit, fence)}\n{edit.path}\n{_blocks(edit)}{_closing(fence)}\n"


def _write_udiff(edit: Edit, _fence: str) -> str:
    old = edit.path if edit.before else "/dev/null"
    body = "".join(f" {line}" for line in _ended(edit.before).splitlines(keepends=True))
    added = _ended(edit.after).removeprefix(_ended(edit.before))
    plus = "".join(f"+{line}" for line in added.splitlines(keepends=True))
    return f"```diff\n--- {old}\n+++ {edit.path}\n@@ ... @@\n{body}{plus}```\n"


def _write_patch(edit: Edit, _fence: str) -> str:
    added = _ended(edit.after).removeprefix(_ended(edit.before))
    plus = "".join(f"+{line}" for line in added.splitlines(keepends=True))
    if not edit.before:
        return f"*** Begin Patch\n*** Add File: {edit.path}\n{plus}*** End Patch\n"
    body = "".join(f" {line}" for line in _ended(edit.before).splitlines(keepends=True))
    return f"*** Begin Patch\n*** Update File: {edit.path}\n@@\n{body}{plus}*** End Patch\n"


_WRITERS = {
    "whole": _write_whole,
    "diff": _write_diff,
    "diff-fenced": _write_diff_fenced,
    "udiff": _write_udiff,
    "patch": _write_patch,
}


def _language(edit: Edit, fence: str) -> str:
    return "python" if fence.startswith("`") and edit.path.endswith(".py") else ""


def _ended(text: str) -> str:
    return text if not text or text.endswith("\n") else text + "\n"


def _commit_message(diffs: str) -> str:
    paths = _DIFF_PATH.findall(diffs)
    return f"feat: update {paths[0]}"[:72] if paths else "chore: update files"


def _directions(question: Question) -> str:
    edit = plan_edit(question)
    added = edit.after.removeprefix(edit.before).strip("\n")
    where = "at the end of" if edit.before else "in the new file"
    return f"Add this {where} {edit.path}:\n\n`{added}`\n\nNothing else needs to change."
