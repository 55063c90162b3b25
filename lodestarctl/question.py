"""What is asked about on the command line: a prompt, files that go with it, or a whole request.

Law: read once, bounded, and kept nowhere; a file goes into the prompt under its name.
"""

from collections.abc import Sequence

from lodestarctl.folder import work_folder
from lodestarctl.session import Session
from lodestarctl.usage import UsageError

MOST_BYTES = 8_000_000
FENCE = "```"


def read_prompt(session: Session, *, needed: bool = True) -> str:
    """The words of the command line or standard input, then the files. Raises ``UsageError``."""
    files = session.args.file or []
    text = read_words(session, session.args.prompt or [], needed=needed and not files)
    parts = [text] if text else []
    parts += [f"{name}\n{fenced(read_file(name))}" for name in files]
    if not parts and needed:
        raise UsageError("what is the prompt?")
    return "\n\n".join(parts)


def read_words(session: Session, words: Sequence[str], *, needed: bool = True) -> str:
    """The words as they stand; for ``-``, or for none where some are needed and nobody types, standard input."""
    if words != ["-"] and (words or not needed or session.stdin.isatty()):
        return " ".join(words)
    text = session.stdin.read(MOST_BYTES + 1)
    if len(text) > MOST_BYTES:
        raise UsageError(f"what stands in standard input is larger than {MOST_BYTES:,} bytes")
    return text


def fenced(text: str) -> str:
    """As a block of Markdown whose fence is longer than any in it."""
    fence = FENCE
    while fence in text:
        fence += "`"
    return f"{fence}\n{text}\n{fence}"


def read_file(name: str) -> str:
    """Raises ``UsageError`` for what can't be read, or is too large."""
    try:
        with open(name, "rb") as file:  # noqa: PTH123 - pathlib is not worth its import at every start
            data = file.read(MOST_BYTES + 1)
    except OSError as error:
        raise UsageError(f"can't read {name}: {error.strerror}") from None
    if len(data) > MOST_BYTES:
        raise UsageError(f"{name} is larger than {MOST_BYTES:,} bytes")
    return data.decode(errors="replace")


def read_shape(session: Session) -> dict[str, object]:
    """The arguments of ``route.explain`` and ``recommend``. Raises ``UsageError``."""
    args = session.args
    if args.body and (args.prompt or args.file):
        raise UsageError("a prompt, or a whole request with --body: not both")
    said: dict[str, object] = {
        "text": "" if args.body else read_prompt(session, needed=not args.tokens),
        "body": read_file(args.body) if args.body else "",
        "dialect": args.dialect,
        "tokens": args.tokens,
        "images": args.images,
        "tools": args.tools,
        "prefer": args.prefer,
        "tags": ",".join(args.tag or ()),
        "client": args.client,
        "task": args.task,
        "project": args.project,
        "folder": "" if args.project else work_folder(),
        "user": args.user,
        "session": args.session,
    }
    return {name: value for name, value in said.items() if value}
