"""Text that others wrote, as the ledger's columns take it. Pure."""

MAX_TEXT = 200


def bounded(text: str) -> str:
    """Short, and text that can be encoded."""
    if len(text) <= MAX_TEXT and text.isascii():
        return text
    return text[:MAX_TEXT].encode(errors="replace").decode()
