"""How large a prompt is, in bytes that cost tokens alike: what token estimates are made of and learned against.

Law: pure, and the only place that weighs a prompt, so that the ratio learned is the ratio used. Linear in the
prompt's size, with a few passes in C; no tokenizer is loaded.

A byte of a word is 1. Spaces merge with the word after them and digits and signs hardly merge at all, so they weigh
as below; bytes of letters beyond ASCII are as dear as letters (a Chinese character is three bytes and not quite one
token). Over Python, Go, C++, prose, diffs, YAML and shell, tokens by these bytes vary half as much as by plain ones:
nine in ten samples of 2-14 KB within -9 % and +14 % of the median by Llama 3.1's tokenizer (plain: -20 %, +34 %).
"""

from collections.abc import Iterator

from lodestard.domain.request import Message, Request, TextPart, Tool

SPACE_WEIGHT = 0.2
SIGN_WEIGHT = 2.0
DIGIT_WEIGHT = 3.0

# What a model's template adds, in the same bytes: about 5 tokens around a message, 14 around the whole, a paragraph
# of instructions where there are tools, and the JSON around each of them and around a call.
MESSAGE_BYTES = 16
PROMPT_BYTES = 48
TOOLS_BYTES = 300
TOOL_BYTES = 48
CALL_BYTES = 48

_DIGITS = b"0123456789"
_LETTERS_AND_BLANKS = bytes(code for code in range(256) if code <= 0x20 or code >= 0x7F or chr(code).isalpha())


def basis_bytes(request: Request) -> int:
    """The prompt of ``request`` in weighted bytes: texts, calls, tools' schemas, what follows a gap and
    what a template adds.

    Images are not in it: they are counted apart.
    """
    talk = request.conversation
    around = PROMPT_BYTES + MESSAGE_BYTES * len(talk.messages)
    pieces = [part.text for message in talk.messages for part in message.parts if type(part) is TextPart]
    for message in talk.messages:
        if message.tool_calls or message.reasoning:
            pieces += _said_beside(message)
            around += CALL_BYTES * len(message.tool_calls)
    if talk.tools:
        pieces += [text for tool in talk.tools for text in _described(tool)]
        around += TOOLS_BYTES + TOOL_BYTES * len(talk.tools)
    if talk.completion is not None and talk.completion.suffix:
        pieces.append(talk.completion.suffix)
    return around + weigh("".join(pieces))


def weigh(text: str) -> int:
    """A text's weighted bytes."""
    data = text.encode("utf-8", "surrogatepass")
    spaces = data.count(b" ")
    marks = data.translate(None, _LETTERS_AND_BLANKS)
    signs = len(marks.translate(None, _DIGITS))
    digits = len(marks) - signs
    added = (SIGN_WEIGHT - 1) * signs + (DIGIT_WEIGHT - 1) * digits - (1 - SPACE_WEIGHT) * spaces
    return max(0, round(len(data) + added))


def _said_beside(message: Message) -> Iterator[str]:
    """What a message says beside its text."""
    yield message.reasoning
    for call in message.tool_calls:
        yield call.name
        yield call.arguments


def _described(tool: Tool) -> Iterator[str]:
    yield tool.name
    yield tool.description
    if tool.parameters is not None:
        yield bytes(tool.parameters).decode(errors="replace")
