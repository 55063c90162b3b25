"""Tool calls in the text of an answer that comes in portions.

Law: the same text gives the same calls and the same rest, however it was portioned. Text goes out as soon as it can't
be a call any more: a call begins a line, as a JSON object, perhaps in a fence or a tag. What looked like one and is
none goes out as the text that it is.
"""

import re
from collections.abc import Callable, Collection

from lodestard.protocols.emulation.json_span import JsonSpan
from lodestard.protocols.emulation.said_calls import FIRST_KEYS, SaidCall, read_calls

_START = re.compile(r"^[ \t]{0,16}(?:\{|\[\s{0,16}\{|```|<tool|\[TOOL_CALLS\])", re.MULTILINE)
_MAY_START = re.compile(r"^[ \t]{0,16}(?:`{0,2}|<(?:t|to|too)?|\[\s{0,16}|\[T[A-Z_]{0,9})\Z", re.MULTILINE)
_FENCE = re.compile(r"[ \t]*```[ \t]*(?:json|tool_calls?|tool)?[ \t]*\n\s*", re.IGNORECASE)
_TAG = re.compile(r"[ \t]*(?:<tool\w{0,12}>|\[TOOL_CALLS\])\s*")
_END_OF_CODE = re.compile(r"^[ \t]{0,16}```", re.MULTILINE)
_MAY_END_CODE = re.compile(r"^[ \t]{0,16}`{0,2}\Z", re.MULTILINE)
_FIRST_KEY = re.compile(r'\[?\s{0,64}\{\s{0,64}"([^"\\]{0,20})"\s{0,64}:')
_MAY_BE_KEY = re.compile(r'\[?\s{0,64}(?:\{\s{0,64}(?:"[^"\\]{0,20}(?:"\s{0,64})?)?)?\Z')
_AFTER = re.compile(r"[\s,;]*(?:```|</tool\w{0,12}>)?")
_MAY_GO_ON = re.compile(r"[\s,;]*(?:`{1,2}|<|</[a-z_]{0,16})?\Z")
_MOST_OPENING = 64
_MOST_AFTER = 256

State = Callable[[str], str]


class CallFinder:
    """The text of one choice. Each state takes what is there, and gives back what is left for the next one."""

    __slots__ = ("_buffer", "_json", "_lead", "_line_start", "_names", "_opening", "_out", "_span", "_state", "calls")

    def __init__(self, names: Collection[str]) -> None:
        self._names = names
        self._state: State = self._in_text
        self._buffer = ""
        self._out: list[str] = []
        self._line_start = True
        self._lead: str | None = ""
        self._opening = ""
        self._json: list[str] | None = None
        self._span = JsonSpan()
        self.calls: list[SaidCall] = []
        """What was found; whoever takes it leaves the list empty."""

    def feed(self, text: str) -> str:
        """What of the text is surely no call. New calls are in ``calls``."""
        left, self._buffer = self._buffer + text, ""
        while left:
            left = self._state(left)
        said, self._out = "".join(self._out), []
        return said

    def finish(self) -> str:
        """The answer has ended: what was held back and is no call."""
        held, self._buffer = self._buffer, ""
        if self._state == self._after_call:
            return "" if not held.strip(" \t\r\n,;`") else held
        if self._state == self._in_value:
            held = self._opening + "".join(self._json or ()) + held
        self._state = self._in_text
        self._say(held)
        said, self._out = "".join(self._out), []
        return said

    # -- states ----------------------------------------------------------------------------------------------

    def _in_text(self, left: str) -> str:
        return self._look_for(left, _START, _MAY_START, self._at_start)

    def _in_code(self, left: str) -> str:
        """In a fence that holds no call."""
        return self._look_for(left, _END_OF_CODE, _MAY_END_CODE, self._at_end_of_code)

    def _look_for(self, left: str, mark: "re.Pattern[str]", maybe: "re.Pattern[str]", found: State) -> str:
        """Say what comes before ``mark`` at a line's start, and hold back what may become one."""
        start = 0 if self._line_start else left.find("\n") + 1
        if start == 0 and not self._line_start:
            self._say(left)
            return ""
        if (place := mark.search(left, start)) is not None:
            self._say(left[: place.start()])
            self._state = found
            return left[place.start() :]
        held = maybe.search(left, start)
        end = len(left) if held is None else held.start()
        self._say(left[:end])
        self._buffer = left[end:]
        self._line_start = held is not None
        return ""

    def _at_end_of_code(self, left: str) -> str:
        end = left.index("```") + 3
        self._go_on(self._in_text, left[:end])
        return left[end:]

    def _at_start(self, left: str) -> str:
        """At what may open a call."""
        bare = left.lstrip(" \t")
        if bare.startswith(("{", "[")) and not bare.startswith("[T"):
            self._open_value(left[: len(left) - len(bare)])
            return bare
        fenced = bare.startswith("```")
        opening = (_FENCE if fenced else _TAG).match(left)
        if opening is not None and opening.end() < len(left):
            if left[opening.end()] in "{[":
                self._open_value(opening[0])
                return left[opening.end() :]
        elif len(left) < _MOST_OPENING and (opening is not None or "\n" not in left):
            self._buffer = left
            return ""
        return self._at_no_call(left, fenced=fenced)

    def _at_no_call(self, left: str, *, fenced: bool) -> str:
        end = left.index("```") + 3 if fenced else 1
        self._go_on(self._in_code if fenced else self._in_text, left[:end])
        return left[end:]

    def _open_value(self, opening: str) -> None:
        self._opening, self._json, self._span = opening, None, JsonSpan()
        self._state = self._in_value

    def _in_value(self, left: str) -> str:
        """In what may be a call: its first key tells, or its end."""
        if self._json is None:
            key = _FIRST_KEY.match(left)
            if key is None and _MAY_BE_KEY.match(left) is not None:
                self._buffer = left
                return ""
            if key is None or key[1] not in FIRST_KEYS:
                fenced = "```" in self._opening
                self._go_on(self._in_code if fenced else self._in_answer, self._opening)
                return left
            self._json = []
        end = self._span.feed(left)
        self._json.append(left[:end])
        if end is None:
            return ""
        self._close_value("".join(self._json))
        return left[end:]

    def _close_value(self, text: str) -> None:
        calls = read_calls(text, self._names)
        if calls:
            self.calls += calls
            self._state = self._after_call
            return
        self._go_on(self._in_code if "```" in self._opening else self._in_text, self._opening + text)

    def _in_answer(self, left: str) -> str:
        """In a JSON value that is no call: nothing within it is one."""
        end = self._span.feed(left)
        self._say(left[:end])
        if end is None:
            return ""
        self._go_on(self._in_text, "")
        return left[end:]

    def _after_call(self, left: str) -> str:
        """What closes a call, and blanks after it, are nobody's text."""
        if len(left) < _MOST_AFTER and _MAY_GO_ON.match(left) is not None:
            self._buffer = left
            return ""
        closing = _AFTER.match(left)
        end = 0 if closing is None else closing.end()
        self._state, self._line_start, self._lead = self._in_text, True, ""
        return left[end:]

    # -- what goes out ---------------------------------------------------------------------------------------

    def _go_on(self, state: State, said: str) -> None:
        self._say(said)
        self._state = state
        self._line_start = False

    def _say(self, text: str) -> None:
        """Blanks go out with what follows them: around calls they mean nothing."""
        if self._lead is not None:
            if not text.strip():
                self._lead += text
                return
            text, self._lead = self._lead + text, None
        self._out.append(text)
