"""A kept answer, and its form as bytes. Pure.

Law: what was packed is unpacked exactly, raw members and the upstream's own body too; anything else (another
version, a flipped bit, a cut) is a ``CorruptError`` and never a wrong answer. Holds answers, never prompts.

The packed form is JSON (so that raw JSON members stay as they are) with the body behind it, not in base64; on disk
it has a head: version, flags, CRC-32 and the lengths, and is compressed with zlib where it is large.
"""

import struct
import zlib

import msgspec

from lodestard.domain.reply import Reply
from lodestard.domain.upstream import Target

VERSION = 1
OVERHEAD_BYTES = 256
"""What an entry takes beside its answer: key, columns, indexes or Python's own objects; measured roughly."""

_HEAD = struct.Struct(">BBIII")  # version, flags, CRC-32 of the rest, bytes of the whole, bytes of its JSON
_COMPRESSED = 1
_COMPRESSION_LEVEL = 1  # the others cost five times as much for a tenth less
_NO_LOGPROBS = msgspec.Raw(b"null")


class CorruptError(Exception):
    """These bytes are no answer that this version can read."""


class Stored(msgspec.Struct, frozen=True, omit_defaults=True):
    """A reply as JSON can carry it: a raw member that may also be missing (``logprobs``) can't be decoded in place.

    ``logprobs`` has one element for each choice, or none at all.
    """

    reply: Reply
    logprobs: tuple[msgspec.Raw, ...] = ()


_stored = msgspec.json.Decoder(Stored)


class Packed(msgspec.Struct, frozen=True):
    """A reply as bytes: JSON without ``body``, and ``body``."""

    json: bytes
    body: bytes

    @property
    def size_bytes(self) -> int:
        return len(self.json) + len(self.body) + OVERHEAD_BYTES


class Entry(msgspec.Struct, frozen=True, kw_only=True):
    """An answer with what is said of it. ``created_ms`` is wall time; ``cost_nano_usd`` what the original cost."""

    key: str
    target: Target
    created_ms: int
    cost_nano_usd: int
    packed: Packed


def store(reply: Reply) -> Stored:
    """The reply with its log probabilities taken out."""
    if all(choice.logprobs is None for choice in reply.choices):
        return Stored(reply)
    bare = tuple(msgspec.structs.replace(choice, logprobs=None) for choice in reply.choices)
    logprobs = tuple(choice.logprobs or _NO_LOGPROBS for choice in reply.choices)
    return Stored(msgspec.structs.replace(reply, choices=bare), logprobs)


def restore(stored: Stored) -> Reply:
    """The reply with its log probabilities put back. Raises ``CorruptError`` where they don't fit."""
    reply, logprobs = stored.reply, stored.logprobs
    if not logprobs:
        return reply
    if len(logprobs) != len(reply.choices):
        raise CorruptError("log probabilities of other choices")
    whole = tuple(
        choice if bytes(raw) == b"null" else msgspec.structs.replace(choice, logprobs=raw)
        for choice, raw in zip(reply.choices, logprobs, strict=True)
    )
    return msgspec.structs.replace(reply, choices=whole)


def pack(reply: Reply) -> Packed:
    """The reply in its packed form."""
    bare = msgspec.structs.replace(reply, body=b"") if reply.body else reply
    return Packed(msgspec.json.encode(store(bare)), reply.body)


def unpack(packed: Packed) -> Reply:
    """The reply that was packed. Raises ``CorruptError``."""
    try:
        reply = restore(_stored.decode(packed.json))
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise CorruptError("not a reply") from None
    return msgspec.structs.replace(reply, body=packed.body) if packed.body else reply


def freeze(packed: Packed, compress_above_bytes: int) -> bytes:
    """The form on disk."""
    whole = packed.json + packed.body
    rest, flags = whole, 0
    if len(whole) > compress_above_bytes:
        rest, flags = zlib.compress(whole, _COMPRESSION_LEVEL), _COMPRESSED
    return _HEAD.pack(VERSION, flags, zlib.crc32(rest), len(whole), len(packed.json)) + rest


def thaw(data: bytes) -> Packed:
    """The packed form from the one on disk. Raises ``CorruptError``."""
    if len(data) < _HEAD.size:
        raise CorruptError("cut short")
    version, flags, checksum, whole_bytes, json_bytes = _HEAD.unpack_from(data)
    rest = data[_HEAD.size :]
    if version != VERSION or zlib.crc32(rest) != checksum:
        raise CorruptError("another version" if version != VERSION else "wrong checksum")
    whole = _expand(rest, whole_bytes) if flags & _COMPRESSED else rest
    if len(whole) != whole_bytes or json_bytes > whole_bytes:
        raise CorruptError("wrong length")
    return Packed(whole[:json_bytes], whole[json_bytes:])


def _expand(data: bytes, size_bytes: int) -> bytes:
    """At most one byte more than was promised, whatever the data claims."""
    try:
        return zlib.decompressobj().decompress(data, size_bytes + 1)
    except zlib.error:
        raise CorruptError("not compressed data") from None
