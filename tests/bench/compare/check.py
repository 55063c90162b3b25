"""Is what a gateway answers right? Every case asks once and looks, before anything is measured."""

import http.client
from collections.abc import Iterator

import msgspec

from tests.bench.compare.asks import Answer, Ask, Want

PATIENCE_S = 60.0
PLAIN_BYTES: dict[Answer, int] = {"1k": 780, "100k": 102_160}
EVENTS: dict[Answer, int] = {"fast": 200, "paced": 200, "brief": 50, "long": 10_000}
STAMP_DIGITS = 20


class WrongError(Exception):
    """An answer that is not what the upstream gave."""


def check(port: int, ask: Ask, want: Want) -> None:
    """Ask once. Raises ``WrongError``, or ``OSError`` where nobody answers."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=PATIENCE_S)
    try:
        connection.request("POST", ask.path, ask.body, ask.all_headers())
        answer = connection.getresponse()
        body = answer.read()
    except http.client.HTTPException as error:
        raise WrongError(f"{want.name}: no HTTP answer: {error!r}") from error
    finally:
        connection.close()
    if answer.status != http.client.OK:
        raise WrongError(f"{want.name}: {answer.status} {body[:600].decode(errors='replace')}")
    try:
        (check_stream if want.streamed else check_plain)(body, want.answer)
    except (msgspec.MsgspecError, LookupError, TypeError) as error:
        raise WrongError(f"{want.name}: {error!r} in {body[:600].decode(errors='replace')}") from error


def check_plain(body: bytes, answer: Answer) -> None:
    """The whole text has come."""
    content = msgspec.json.decode(body)["choices"][0]["message"]["content"]
    length = PLAIN_BYTES[answer]
    if content != ("lorem ipsum " * (length // 12 + 1))[:length]:
        raise WrongError(f"{answer}: another text: {content[:200]!r} … ({len(content)} characters)")


def check_stream(body: bytes, answer: Answer) -> None:
    """Every event has come, in order, and the end."""
    text = "".join(_contents(body))
    if answer in ("paced", "brief"):
        stamps = text.split("@")[1:]
        right = len(stamps) == EVENTS[answer] and all(len(stamp) == STAMP_DIGITS for stamp in stamps)
        right = right and stamps == sorted(stamps)
    else:
        word = " word{}" if answer == "fast" else "{:07d} "
        right = text == "".join(word.format(number) for number in range(EVENTS[answer]))
    if not right:
        raise WrongError(f"{answer}: another text: {text[:200]!r} … ({len(text)} characters)")
    if b"data: [DONE]" not in body:
        raise WrongError(f"{answer}: its end is missing")


def _contents(body: bytes) -> Iterator[str]:
    for line in body.split(b"\n"):
        data = line.strip().removeprefix(b"data:").strip()
        if data.startswith(b"{"):
            for choice in msgspec.json.decode(data)["choices"]:
                yield choice["delta"].get("content") or ""
