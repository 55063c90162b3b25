"""Which names mean one model to Ollama."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lodestard.domain.model_name import canonical_name, same_model

PART = st.text("abcXYZ019_-", min_size=1, max_size=8).filter(lambda part: part[0] != "-")


@pytest.mark.parametrize(
    ("name", "key"),
    [
        ("llama3.1:8b", "llama3.1:8b"),
        ("Llama3.1:8B", "llama3.1:8b"),
        ("nomic-embed-text", "nomic-embed-text:latest"),
        ("nomic-embed-text:latest", "nomic-embed-text:latest"),
        ("library/nomic-embed-text", "nomic-embed-text:latest"),
        ("registry.ollama.ai/library/llama3.1:8b", "llama3.1:8b"),
        ("https://registry.ollama.ai/library/llama3.1:8b", "llama3.1:8b"),
        ("someone/coder", "someone/coder:latest"),
        ("registry.ollama.ai/someone/coder", "someone/coder:latest"),
        ("hf.co/bartowski/Llama-3.2-GGUF:Q4_K_M", "hf.co/bartowski/llama-3.2-gguf:q4_k_m"),
        ("127.0.0.1:5000/me/coder", "127.0.0.1:5000/me/coder:latest"),
        ("127.0.0.1:5000/library/coder:7b", "127.0.0.1:5000/library/coder:7b"),
    ],
)
def test_a_canonical_name(name: str, key: str) -> None:
    assert canonical_name(name) == key


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("llama3.1:8b", "llama3.1:70b"),
        ("llama3.1", "llama3.1:8b"),
        ("someone/coder", "coder"),
        ("hf.co/library/coder", "coder"),
        ("a/b", "b/a"),
    ],
)
def test_other_models(one: str, other: str) -> None:
    assert not same_model(one, other)


@given(PART, PART, PART, PART)
def test_every_way_to_write_a_name_means_the_same(host: str, namespace: str, model: str, tag: str) -> None:
    own = f"registry.ollama.ai/library/{model}"
    assert same_model(model, f"{model}:latest")
    assert same_model(f"{own}:{tag}", f"{model}:{tag}")
    assert same_model(f"registry.ollama.ai/{namespace}/{model}", f"{namespace}/{model}:latest")
    full = f"{host}.example:5000/{namespace}/{model}"
    assert same_model(full, f"{full}:latest")
    assert same_model(f"{full}:{tag}", f"{full}:{tag}".upper())


@given(st.lists(PART, min_size=1, max_size=3), st.none() | PART)
def test_a_canonical_name_is_its_own(place: list[str], tag: str | None) -> None:
    name = "/".join(place) + (f":{tag}" if tag else "")
    assert canonical_name(canonical_name(name)) == canonical_name(name)


@given(st.text(max_size=40))
def test_what_is_no_name_is_at_least_itself(text: str) -> None:
    assert same_model(text, text)
    assert canonical_name(text) == canonical_name(f" {text} ")
