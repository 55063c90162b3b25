"""What somebody who waits is told: one line, before the first comma what it is about, after it how long. Pure."""

from math import ceil


def say_loading(model: str, left_s: float | None) -> str:
    """``loading deepseek-coder:6.7b, about 4 s``."""
    return f"loading {model}{about(left_s)}"


def say_waiting(model: str, before: int, left_s: float | None) -> str:
    """``waiting for llama3.1:8b behind 2 requests, about 12 s``."""
    behind = "" if not before else " behind 1 request" if before == 1 else f" behind {before} requests"
    return f"waiting for {model}{behind}{about(left_s)}"


def about(left_s: float | None) -> str:
    """How much longer, rounded up; nothing where nobody knows, or where it may be any moment."""
    if left_s is None:
        return ""
    return ", any moment" if left_s < 1 else f", about {ceil(left_s)} s"
