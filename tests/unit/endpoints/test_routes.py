"""Which path leads where."""

import pytest

from lodestard.endpoints import NOWHERE, ROUTES, dialect_of, find_route
from lodestard.endpoints.serving import plain_path

DIALECTS = {
    "/v1/chat/completions": "openai",
    "/chat/completions/": "openai",
    "/v1/messages": "anthropic",
    "/v1/messages/count_tokens/": "anthropic",
    "/v1/responses": "responses",
    "/v1/responses/resp_1/input_items": "responses",
    "/v1/models/hf.co/some/model": "openai",
    "/api/chat": "ollama",
    "/api/blobs/sha256:1": "ollama",
    "/api/something/new": "ollama",
    "/v1/nothing": "openai",
}


@pytest.mark.parametrize(("path", "dialect"), DIALECTS.items())
def test_the_dialect_of_a_path(path: str, dialect: str) -> None:
    assert dialect_of(path) == dialect


def test_the_deepest_star_counts_and_none_is_of_its_own_parent() -> None:
    assert find_route("/api/blobs/sha256:1") is ROUTES["/api/blobs/*"]
    assert find_route("/api/something") is ROUTES["/api/*"]
    assert find_route("/responses") is ROUTES["/responses"]
    for path in ("/", "/api", "/modelsx/y", "/" * 32_000, "/a" * 16_000):
        assert find_route(plain_path(path)) is NOWHERE, path[:20]
