"""Text → man(7) source: escaping, filling, lists.

Law: what goes in is plain text; nothing of it is ever taken for a macro or an escape. Lines stay below 80 bytes where
words allow it, and a sentence begins a line.

(Source: man(7) and mandoc_char(7) of mandoc 1.14; groff_man(7) and groff_char(7) of groff 1.22.)
"""

import re
from collections.abc import Iterable
from textwrap import wrap

WIDTH = 78
_OPTION = re.compile(r"(?<![\w-])--?(?=[A-Za-z])|--+")
_SENTENCE = re.compile(r"(?<=[.!?]) |(?<=[.!?]\)) ")
_WORD = re.compile(r"`` ?(.+?) ?``|`([^`]+)`|\*\*(.+?)\*\*|\*([^*\s][^*]*)\*|\[([^\]]+)\]\(([^)]+)\)")
_NAMED = {"\\": "\\e", "`": "\\(ga", "^": "\\(ha", "~": "\\(ti", "\N{NO-BREAK SPACE}": "\\~"}
_HELD = "\N{NO-BREAK SPACE}"


def escape(text: str, *, code: bool = False) -> str:
    """Each character as itself. In ``code`` hyphens and apostrophes are those that can be copied."""
    text = "".join(
        _NAMED.get(letter) or (letter if letter < "\x7f" else f"\\[u{ord(letter):04X}]") for letter in text
    )
    if code:
        return text.replace("-", "\\-").replace("'", "\\(aq")
    return _OPTION.sub(lambda found: found[0].replace("-", "\\-"), text)


def bold(text: str) -> str:
    """What is typed as it stands."""
    return f"\\fB{escape(text, code=True)}\\fP"


def italic(text: str) -> str:
    """What something else stands for."""
    return f"\\fI{escape(text, code=True)}\\fP"


def inline(text: str) -> str:
    """One paragraph of Markdown → a paragraph with fonts, not yet filled. A link to another page says which."""
    parts, end = [], 0
    for found in _WORD.finditer(text):
        parts.append(escape(text[end : found.start()]))
        parts.append(_font(found))
        end = found.end()
    return "".join([*parts, escape(text[end:])])


def _font(found: re.Match[str]) -> str:
    doubled, code, strong, emphasis, label, target = found.groups()
    if label is not None:
        page = target.partition("#")[0].rpartition("/")[2]
        if page.rpartition(".")[0] == label:
            return escape(page)
        shown = inline(label)
        return shown if not page or page in label else f"{shown} ({escape(page)})"
    if doubled is not None or code is not None:
        return bold((doubled or code).replace(" ", _HELD))
    return f"\\fB{escape(strong)}\\fP" if strong is not None else f"\\fI{escape(emphasis)}\\fP"


def fill(paragraph: str) -> list[str]:
    """A paragraph that is escaped already → text lines, none of which looks like a macro."""
    lines: list[str] = []
    for one in _SENTENCE.split(" ".join(paragraph.split())):
        lines += wrap(one, WIDTH, break_long_words=False, break_on_hyphens=False)
    return [_guarded(line) for line in lines]


def prose(text: str) -> list[str]:
    """Plain text of one paragraph → text lines."""
    return fill(escape(text))


def title(name: str, text: str) -> str:
    """The line of a section (``SH``) or of a part of one (``SS``)."""
    return f'.{name} "{escape(text).replace(chr(34), chr(92) + "(dq")}"'


def literal(lines: Iterable[str]) -> list[str]:
    """Lines that keep their shape."""
    return [".PP", ".RS 4", ".EX", *(_guarded(escape(line, code=True)) for line in lines), ".EE", ".RE"]


def _guarded(line: str) -> str:
    """A line that begins with a dot or an apostrophe would be a macro's."""
    return f"\\&{line}" if line[:1] in (".", "'") else line


def tagged(items: Iterable[tuple[str, list[str]]]) -> list[str]:
    """A list of (term, body lines). The term is escaped already."""
    return [line for term, body in items for line in (".TP", _guarded(term), *body)]


def reference(name: str, section: int, after: str = "") -> str:
    """Another page."""
    return f".BR {escape(name, code=True)} ({section}){after}"


def page(name: str, section: int, *, date: str, source: str, body: Iterable[str]) -> str:
    """A whole page's source. Words are not divided and lines not stretched: both hide what can be typed."""
    top = [f'.TH {name.upper()} {section} {date} "{source}" "Lodestar manual"', ".nr HY 0", ".nh", ".ad l"]
    return "\n".join([*top, *body]) + "\n"
