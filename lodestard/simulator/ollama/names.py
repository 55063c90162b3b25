"""How Ollama reads a model's name: host, namespace, model and tag, each has a default, case is nothing. Pure."""

import msgspec


class Name(msgspec.Struct, frozen=True):
    """A whole name in lower case: two spellings of one model are equal."""

    host: str
    namespace: str
    model: str
    tag: str


def read_name(text: str) -> Name:
    """``"LLAMA3.1"`` → registry.ollama.ai, library, llama3.1, latest. Tags follow the last colon behind any slash."""
    text = text.lower()
    tag = "latest"
    if text.rfind(":") > text.rfind("/"):
        text, _, tag = text.rpartition(":")
    parts = text.removeprefix("https://").removeprefix("http://").rsplit("/", 2)
    host, namespace, model = ["registry.ollama.ai", "library", ""][: 3 - len(parts)] + parts
    return Name(host, namespace, model, tag or "latest")
