"""``lodestarctl ask``: one question, its answer as it comes."""

from lodestarctl import exit_codes
from lodestarctl.folder import work_folder
from lodestarctl.question import read_words
from lodestarctl.render.words import clean, usd
from lodestarctl.session import Session
from lodestarctl.usage import UsageError
from lodestard.control.messages import AskItem

KEEP = "\n\t"


def run(session: Session) -> int:
    arguments = {"question": _question(session), "model": session.args.model, "folder": work_folder()}
    answer = _Answer(session)
    try:
        session.each("ask", arguments, AskItem, answer.write)
    finally:
        answer.end()  # a message about what went wrong begins on a line of its own
    return exit_codes.OK


def _question(session: Session) -> str:
    words = session.args.question
    if not words and session.stdin.isatty():
        raise UsageError('what is the question? lodestarctl ask "…"')
    return read_words(session, words)


class _Answer:
    """Writes the text to standard output and what is said about it to standard error."""

    def __init__(self, session: Session) -> None:
        self._output = session.output
        self._last = "\n"

    def write(self, item: AskItem) -> None:
        if item.text:
            text = clean(item.text, keep=KEEP) if self._output.terminal else item.text
            self._output.write(text)
            self._last = text[-1]
        if item.request_id:
            self.end()
            self._output.say(_about(item), "dim" if self._output.terminal else None)

    def end(self) -> None:
        if self._last != "\n":
            self._output.write("\n")
            self._last = "\n"


def _about(item: AskItem) -> str:
    cached = " from the cache" if item.cache == "hit" else ""
    return f"{item.target}{cached}, {usd(item.cost_nano_usd)}, {item.request_id}"
