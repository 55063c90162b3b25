"""Garbage: what may become of the bytes of an answer, by a seed.

Law: figures of usage are only changed so that anybody can see that they can't be right; a wrong figure that looks
right is nobody's to find.
"""

import random
import re
from collections.abc import Callable, Iterator

from lodestard.simulator.exchange import Exchange
from lodestard.simulator.reply import Headers

Change = Callable[[bytes, random.Random], bytes]
_USAGE = re.compile(rb'"usage(?:Metadata)?":\s*\{(?:[^{}]|\{[^{}]*\})*\}')
_NUMBER = re.compile(rb"(?<=[:,\[])-?\d+(?:\.\d+)?")
_STRING = re.compile(rb'"[^"\\]*"(?!:)')
_VALUES = (b"null", b"true", b"17", b"-1", b"1e999", b"[]", b"{}", b'"x"', b"[null]", b'[{"a":[1]}]')
_HUGE = (b"9" * 30, b"9" * 5000, b"1e400", b"-9223372036854775809", b"18446744073709551616", b"0.1e-400", b"NaN")
_USAGES = (
    b'"usage":null',
    b'"usage":{}',
    b'"usage":[]',
    b'"usage":"12"',
    b'"usage":{"prompt_tokens":-5,"completion_tokens":-7,"total_tokens":-12}',
    b'"usage":{"prompt_tokens":"5","completion_tokens":"7"}',
    b'"usage":{"prompt_tokens":1e30,"completion_tokens":1}',
    b'"usage":{"prompt_tokens":99999999999999999999,"completion_tokens":99999999999999999999}',
    b'"usage":{"prompt_tokens":9999999999,"completion_tokens":9999999999}',
    b'"usage":{"prompt_tokens":null,"completion_tokens":null}',
    b'"usage":{"completion_tokens":3}',
    b'"usage":{"prompt_tokens":3.5,"completion_tokens":2.25}',
    b'"no_usage":1',
)
_NAMES = {
    b'"input_tokens"': {b"prompt_tokens": b"input_tokens", b"completion_tokens": b"output_tokens"},
    b'"output_tokens"': {b"prompt_tokens": b"input_tokens", b"completion_tokens": b"output_tokens"},
    b'"usageMetadata"': {
        b'"usage"': b'"usageMetadata"',
        b"prompt_tokens": b"promptTokenCount",
        b"completion_tokens": b"candidatesTokenCount",
        b"total_tokens": b"totalTokenCount",
    },
}
TYPES = ("text/html", "text/plain", "image/png", "application/json", "text/event-stream", "nonsense", "")


def _outside(body: bytes, luck: random.Random) -> int:
    """A position that is not among the figures of usage."""
    taken = [found.span() for found in _USAGE.finditer(body)]
    for _ in range(1_000):
        at = luck.randrange(len(body))
        if not any(start <= at < end for start, end in taken):
            return at
    return 0


def flip_bytes(body: bytes, luck: random.Random) -> bytes:
    changed = bytearray(body)
    for _ in range(luck.randint(1, 8)):
        changed[_outside(body, luck)] = luck.randrange(256)
    return bytes(changed)


def truncate(body: bytes, luck: random.Random) -> bytes:
    return body[: luck.randrange(len(body))]


def insert_noise(body: bytes, luck: random.Random) -> bytes:
    at = _outside(body, luck)
    noise = luck.choice(
        (luck.randbytes(64), b"\xff\xfe", b"\x00" * 8, b"\n\n\n", b"\r", b"data: {\n\n", b"\xed\xa0\x80")
    )
    return body[:at] + noise + body[at:]


def repeat_part(body: bytes, luck: random.Random) -> bytes:
    start, at = luck.randrange(len(body)), _outside(body, luck)
    return body[:at] + body[start : start + luck.randint(1, 400)] + body[at:]


def drop_part(body: bytes, luck: random.Random) -> bytes:
    lines = body.split(b"\n")
    del lines[luck.randrange(len(lines))]
    return b"\n".join(lines)


def nest_deeply(body: bytes, luck: random.Random) -> bytes:
    depth, kind = luck.choice((65, 1_000, 20_000)), luck.randrange(2)
    deep = (b"[" * depth + b"]" * depth) if kind else (b'{"a":' * depth + b"1" + b"}" * depth)
    return _swap(body, _STRING, deep, luck)


def swap_value(body: bytes, luck: random.Random) -> bytes:
    return _swap(body, _STRING, luck.choice(_VALUES), luck)


def blow_up_number(body: bytes, luck: random.Random) -> bytes:
    return _swap(body, _NUMBER, luck.choice(_HUGE), luck)


def spoil_usage(body: bytes, luck: random.Random) -> bytes:
    spoilt = luck.choice(_USAGES)
    return _USAGE.sub(lambda found: in_its_words(spoilt, found[0]), body)


def in_its_words(usage: bytes, told: bytes) -> bytes:
    """``usage`` with the names of the dialect that ``told`` is of."""
    for kind, names in _NAMES.items():
        if kind in told:
            for ours, theirs in names.items():
                usage = usage.replace(ours, theirs)
    return usage


def double_usage(body: bytes, luck: random.Random) -> bytes:
    """Usage again, and less of it; before or after the true one. Not where it comes with the end of the answer."""
    less = b'"usage":{"prompt_tokens":1,"completion_tokens":1,"total_tokens":2}'
    events = re.split(rb"(?<=\n\n)|(?<=\r\n\r\n)", body)
    told = [at for at, event in enumerate(events) if _USAGE.search(event) and b"data: " in event]
    if not told or b'"type":"response.' in events[told[-1]]:
        return body
    lower = _USAGE.sub(lambda found: in_its_words(less, found[0]), events[told[-1]])
    events.insert(told[-1] + luck.randrange(2), lower)
    return b"".join(events)


def _swap(body: bytes, what: re.Pattern[bytes], new: bytes, luck: random.Random) -> bytes:
    taken = [found.span() for found in _USAGE.finditer(body)]
    found = [
        each.span() for each in what.finditer(body) if not any(start <= each.start() < end for start, end in taken)
    ]
    if not found:
        return body
    start, end = luck.choice(found)
    return body[:start] + new + body[end:]


CHANGES: tuple[Change, ...] = (
    flip_bytes,
    truncate,
    insert_noise,
    repeat_part,
    drop_part,
    nest_deeply,
    swap_value,
    blow_up_number,
    spoil_usage,
    double_usage,
)


class Mangled:
    """Answers are changed as ``luck`` wills, and sent in parts of any size."""

    def __init__(self, luck: random.Random, changes: tuple[Change, ...] = CHANGES) -> None:
        self._luck = luck
        self._changes = changes
        self.did = ""

    def __call__(self, exchange: Exchange) -> None:
        reply, held = exchange.reply, bytearray()
        whole, start, send, finish = reply.whole, reply.start, reply.send, reply.finish

        async def mangled_whole(status: int, headers: Headers, body: bytes) -> None:
            await whole(status, self._retype(headers), self._change(body))

        async def retyped_start(status: int, headers: Headers) -> None:
            await start(status, self._retype(headers))

        async def hold(data: bytes) -> None:
            held.extend(data)

        async def mangled_finish() -> None:
            body = self._change(bytes(held))
            for part in _parts(body, self._luck):
                await send(part)
            await finish()

        reply.whole = mangled_whole  # type: ignore[method-assign]
        reply.start = retyped_start  # type: ignore[method-assign]
        reply.send = hold  # type: ignore[method-assign]
        reply.finish = mangled_finish  # type: ignore[method-assign]

    def _change(self, body: bytes) -> bytes:
        changes = self._luck.choices(self._changes, k=self._luck.choice((1, 1, 1, 2, 3)))
        if double_usage in changes:
            changes = [double_usage]  # else the lower figures may come to stand alone, and look right
        for change in changes:
            self.did += f"{change.__name__} "
            body = change(body, self._luck) if body else body
        return body

    def _retype(self, headers: Headers) -> Headers:
        if self._luck.random() > 0.1:
            return headers
        kind = self._luck.choice(TYPES)
        self.did += f"{kind!r} "
        kept = [pair for pair in headers if pair[0].lower() != "content-type"]
        return [*kept, ("Content-Type", kind)] if kind else kept


def _parts(body: bytes, luck: random.Random) -> Iterator[bytes]:
    size = max(luck.choice((1, 7, 100, 5_000)), len(body) // 400)
    for at in range(0, len(body), size):
        yield body[at : at + size]
