"""The list of models in OpenAI's shape. Source: OpenAI's API reference, "The model object"."""

from collections.abc import Iterable

import msgspec

_OWNER = "lodestar"


def write_models(aliases: Iterable[str], created: int) -> bytes:
    """``GET /v1/models``: every alias, in the order given. ``created`` is unix seconds."""
    return msgspec.json.encode({"object": "list", "data": [_model(alias, created) for alias in aliases]})


def write_model(alias: str, created: int) -> bytes:
    """``GET /v1/models/{id}``."""
    return msgspec.json.encode(_model(alias, created))


def _model(alias: str, created: int) -> dict[str, object]:
    return {"id": alias, "object": "model", "created": created, "owned_by": _OWNER}
