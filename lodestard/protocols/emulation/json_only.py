"""The JSON in the text of an answer that ought to be nothing else: without a fence, and without words around it.

Law: the same text gives the same JSON, however it was portioned. It goes out as it comes. Where there is none, the
text goes out as it is, at the end: it may say why.
"""

import re

from lodestard.protocols.emulation.json_span import JsonSpan

MOST_BLANKS = 64
_OPENINGS = {
    "{": re.compile(r'\{(?=\s{0,62}["}])'),
    "[": re.compile(r'\[(?=\s{0,62}[\[\]{"\d\-tfn])'),
}


class JsonOnly:
    """The text of one choice. ``opening`` is the bracket that the JSON begins with."""

    __slots__ = ("_before", "_ended", "_opening", "_searched", "_span")

    def __init__(self, opening: str) -> None:
        self._opening = _OPENINGS[opening]
        self._before: list[str] | None = []
        self._searched = ""
        self._span = JsonSpan()
        self._ended = False

    def feed(self, text: str) -> str:
        if self._ended or not text:
            return ""
        if self._before is not None:
            text = self._searched + text
            found = self._opening.search(text)
            if found is None:
                self._hold(text)
                return ""
            self._before, text = None, text[found.start() :]
        end = self._span.feed(text)
        self._ended = end is not None
        return text[:end]

    def finish(self) -> str:
        """What was held back, where no JSON came."""
        return "" if self._before is None else "".join(self._before) + self._searched

    def _hold(self, text: str) -> None:
        """The last bracket may still turn out to be the one: what stands from it on is looked at again."""
        last = max(text.rfind("{"), text.rfind("["))
        keep = last if last >= len(text) - MOST_BLANKS and last >= 0 and not text[last + 1 :].strip() else len(text)
        if self._before is not None:
            self._before.append(text[:keep])
        self._searched = text[keep:]
