"""An id for a tool call that came without one: many clients of Ollama's dialect leave it out. Pure.

Law: one call has one id, however often it is told; so what was remembered of it is found again. White space and the
order of its arguments are nothing.
"""

import hashlib

import msgspec

_DIGEST_BYTES = 8


def invent_call_id(name: str, arguments: str) -> str:
    """``("f", '{"a": 1}')`` → ``"call_"`` and 16 digits. ``arguments`` is JSON text, or what the model wrote."""
    try:
        plain = msgspec.json.encode(msgspec.json.decode(arguments), order="deterministic")
    except (ValueError, RecursionError):
        plain = arguments.encode("utf-8", "surrogatepass")
    told = name.encode("utf-8", "surrogatepass") + b"\x1f" + plain
    return f"call_{hashlib.blake2b(told, digest_size=_DIGEST_BYTES).hexdigest()}"
