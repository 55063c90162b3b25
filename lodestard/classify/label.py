"""Labels: what a client says of itself, made fit for terminals and reports. Pure.

Law: a label is at most 64 printable characters, and never trusted.
"""

MAX_LABEL = 64


def clean_label(text: str | None) -> str:
    """At most 64 printable characters: labels end up on terminals and in reports."""
    if not text:
        return ""
    if len(text) > MAX_LABEL:
        text = text[:MAX_LABEL]
    if not text.isprintable():
        text = "".join(character for character in text if character.isprintable())
    return text.strip()
