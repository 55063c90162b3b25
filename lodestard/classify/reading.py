"""What of a request is read to tell what kind of work it is: beginnings, endings and shapes. Pure.

Law: bounded. Whatever a request's size, no more than ``MOST_READ`` characters of its texts are looked at: the
opening of the system's words, the beginning and the end of what the user said last, and of what was said before where
that was next to nothing ("go on"). Lengths are asked of the strings, not read.
"""

import re
from collections.abc import Iterable

import msgspec

from lodestard.domain.request import Message, Request, TextPart

SYSTEM_READ = 768
BEGINNING_READ = 1536
ENDING_READ = 1280
EARLIER_READ = 512
MOST_READ = SYSTEM_READ + BEGINNING_READ + ENDING_READ + EARLIER_READ
"""4096 characters."""

_SHORT = 40
_LINE_READ = 240
_MOST_LINES = 400
_FENCE = re.compile(r" {0,3}(?:```|~~~)")
# What a line of something pasted looks like. The first that fits names it; each looks at the line's beginning, or
# walks it once.
_SHOWN = (
    ("diff", re.compile(r"diff --git |@@ -\d|--- a/|\+\+\+ b/|[+-] {0,16}[\w$<\"'#.(@{}/]|index [0-9a-f]{4,}")),
    (
        "trace",
        re.compile(
            r"Traceback \(most recent|\s+File \"|\s+at [\w$.<]+|Caused by: |panic: |goroutine \d|thread '|#\d+ +[\w:]"
            r"|(?:[\w.]*\.)?[A-Z]\w*(?:Error|Exception)\b|FAILED |npm ERR!|[Ee]rror(?:\[\w+\])?: "
            r"|[Ff]atal(?: error)?: |make(?:\[\d\])?: \*\*\*|Exception in thread|\S+:\d+(?::\d+)?: (?:error|warning)"
        ),
    ),
    (
        "log",
        re.compile(r"\[?\d{4}-\d\d-\d\d[ T]\d\d:\d\d|\[?\d\d:\d\d(?::\d\d)?\]? |[A-Z][a-z]{2} +\d+ \d\d:\d\d:\d\d"),
    ),
    ("table", re.compile(r"\|.*\||[\w.-]+(?:[,;\t][\w. -]*){2,15}$")),
    ("sql", re.compile(r"(?:SELECT|INSERT|UPDATE|DELETE|CREATE|ALTER|WITH|FROM|WHERE|GROUP BY|ORDER BY) ")),
    ("markup", re.compile(r"\s*</?[a-zA-Z!][\w-]*[ >/]")),
    ("json", re.compile(r"\s*[{\[]\s*(?:[\"{\[].*)?$|\s*\"[\w ]+\": ")),
    (
        "code",
        re.compile(
            r"\s*(?:def|class|async|fn|func|public|private|protected|static|const|let|var|import|export|package|impl"
            r"|struct|enum|interface|type|template|namespace|#include|#define|using|return|for|while|elif|else|end\b|try:"
            r"|with|print|println!?|echo|void|int|char|double|float|unsigned|resource|module)\b.*[(){}\[\];:=]"
            r"|from \S+ import"
            r"|\s*[})\]]+[;,]?$|\s*[\w$.\[\]]+ ?(?::=|[-+*/|&]?=) |[^ ].*[;{]$|\s{4,}\S|#!/|\t\S"
            r"|\s*(?://|/\*)"
        ),
    ),
)
_PATCHED = re.compile(r"^(?:\+|@@ |diff --git )", re.MULTILINE)
_PROSE = re.compile(r"[^\W\d_]{2,}(?:[ ,.:'\u2019-]+[^\W\d_]+){5,}")
_FILE = re.compile(
    r"\b[\w/-]{1,40}\.(?:py|jsx?|tsx?|go|rs|rb|java|kt|c|cc|cpp|h|cs|php|sql|sh|css|html|vue|swift|toml|ya?ml|json|md)\b"
)
_BULLET = re.compile(r"\s*(?:[-*•] |\d{1,2}[.)] )")
_TAGGED = re.compile(r"</?[a-z_-]{3,30}>")


class Reading(msgspec.Struct, frozen=True, kw_only=True):
    """``said`` is prose, ``shown`` names what was pasted beside it (``code``, ``diff``, ``trace`` …).

    ``user`` is all that was read of the user's words. ``files`` and ``bullets`` are counts in it, ``lines`` of what
    was pasted. ``size`` is how long the user's words are in all, ``tools`` how many were offered.
    """

    system: str = ""
    user: str = ""
    said: str = ""
    shown: frozenset[str] = frozenset()
    lines: int = 0
    files: int = 0
    bullets: int = 0
    size: int = 0
    tools: int = 0
    turns: int = 0
    format: str = "text"
    effort: str = ""


def read(request: Request) -> Reading:
    """What is looked at of a request."""
    conversation = request.conversation
    messages = conversation.messages
    system = messages[0] if messages and messages[0].role in ("system", "developer") else None
    spoken = [message for message in messages if message.role == "user" and message.parts]
    last = spoken[-1] if spoken else None
    size = _size(last) if last else 0
    user = _ends(last, size) if last else ""
    if len(spoken) > 1 and size <= _SHORT:
        user = f"{_beginning(spoken[-2].parts, EARLIER_READ)}\n{user}"
    said, shown, lines = _part(user)
    return Reading(
        system=_beginning(system.parts, SYSTEM_READ) if system else "",
        user=user,
        said=said,
        shown=frozenset(shown),
        lines=lines,
        files=len(set(_FILE.findall(user))),
        bullets=sum(1 for line in user.splitlines() if _BULLET.match(line[:_LINE_READ])),
        size=size,
        tools=len(conversation.tools),
        turns=len(spoken),
        format=conversation.format.kind,
        effort=conversation.reasoning_effort,
    )


def _size(message: Message) -> int:
    return sum(len(part.text) for part in message.parts if type(part) is TextPart)


def _ends(message: Message, size: int) -> str:
    """A message's beginning and end; all of it where it is short."""
    if size <= BEGINNING_READ + ENDING_READ:
        return _beginning(message.parts, size)
    return f"{_beginning(message.parts, BEGINNING_READ)}\n{_ending(message.parts, ENDING_READ)}"


def _beginning(parts: Iterable[object], most: int) -> str:
    texts, left = [], most
    for part in parts:
        if type(part) is TextPart and left > 0:
            texts.append(part.text[:left])
            left -= len(texts[-1])
    return "".join(texts)


def _ending(parts: tuple[object, ...], most: int) -> str:
    texts, left = [], most
    for part in reversed(parts):
        if type(part) is TextPart and left > 0:
            texts.append(part.text[-left:])
            left -= len(texts[-1])
    return "".join(reversed(texts))


def _part(text: str) -> tuple[str, set[str], int]:
    """What was said, the names of what was pasted, and how many lines that has."""
    said: list[str] = []
    shown: set[str] = set()
    lines, fenced, patched = 0, False, _PATCHED.search(text) is not None
    for line in text.split("\n")[:_MOST_LINES]:
        if _FENCE.match(line):
            fenced = not fenced
            shown.add("fence")
            continue
        name = _name_line(line, fenced=fenced)
        if name == "diff" and not patched and line.startswith("- "):
            name = ""  # an item of a list
        if name:
            shown.add(name)
            lines += 1
        else:
            said.append(line)
    return _TAGGED.sub(" ", "\n".join(said)), shown, lines


def _name_line(line: str, *, fenced: bool) -> str:
    """What a line was pasted from; an empty string where somebody says it."""
    if not line.strip():
        return ""
    head = line[:_LINE_READ]
    for name, pattern in _SHOWN:
        if pattern.match(head):
            return name if fenced or name in ("trace", "diff") or not _PROSE.match(head) else ""
    return "code" if fenced else ""
