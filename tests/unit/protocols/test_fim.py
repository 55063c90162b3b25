"""How a gap is filled by a model's own marks."""

from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lodestard.domain.settings import Fim, LocalModel, Upstream
from lodestard.protocols.fim import BY_MARKS, LAYOUTS, MARKS_IN_TEXT, family_of, fim_of, find_layout, notes_of

URL = "http://127.0.0.1:11434"
T600 = Upstream(dialect="ollama", url=URL, free=True)


def with_fim(fim: Fim, model: str = "m") -> Upstream:
    return Upstream(dialect="ollama", url=URL, models={model: LocalModel(fim=fim)})


def test_every_family_can_be_configured() -> None:
    assert {*LAYOUTS, "auto", "insert", "chat"} == set(get_args(Fim))


@pytest.mark.parametrize(
    ("model", "family"),
    [
        ("deepseek-coder:6.7b", "deepseek"),
        ("deepseek-coder-v2:16b-lite-base-q4_0", "deepseek"),
        ("deepseek-r1:7b", ""),
        ("codellama:7b-code", "codellama"),
        ("codellama", "codellama"),
        ("codellama:7b-python", ""),
        ("codellama:python", ""),
        ("codellama:34b", ""),
        ("starcoder2:3b", "starcoder"),
        ("stable-code:3b-code", "starcoder"),
        ("granite-code:3b-base", "starcoder"),
        ("granite4:tiny-h", "granite"),
        ("qwen2.5-coder:1.5b-base", "qwen"),
        ("hf.co/Qwen/Qwen2.5-Coder-7B-GGUF:Q4_K_M", "qwen"),
        ("qwen3-coder:30b", "qwen"),
        ("codeqwen:7b-code", "starcoder"),
        ("codegemma:2b", "codegemma"),
        ("codestral:22b", "codestral"),
        ("llama3.1:8b", ""),
        ("qwen3:1.7b", ""),
    ],
)
def test_the_family_is_told_by_the_name(model: str, family: str) -> None:
    assert family_of(model) == family


@pytest.mark.parametrize(
    ("family", "prompt"),
    [
        ("codegemma", "<|fim_prefix|>a<|fim_suffix|>b<|fim_middle|>"),
        ("codellama", "<PRE> a <SUF>b <MID>"),
        ("codestral", "[SUFFIX]b[PREFIX]a"),
        ("deepseek", "<\uff5cfim\u2581begin\uff5c>a<\uff5cfim\u2581hole\uff5c>b<\uff5cfim\u2581end\uff5c>"),
        ("granite", "<|fim_prefix|>a<|fim_suffix|>b<|fim_middle|>"),
        ("qwen", "<|fim_prefix|>a<|fim_suffix|>b<|fim_middle|>"),
        ("starcoder", "<fim_prefix>a<fim_suffix>b<fim_middle>"),
    ],
)
def test_each_layout(family: str, prompt: str) -> None:
    layout = LAYOUTS[family]
    assert layout.fill("a", "b") == prompt
    assert set(layout.marks) <= set(layout.all_stops)
    assert all(mark.strip() == mark and mark for mark in layout.all_stops)


@given(st.text(), st.text(), st.sampled_from(sorted(LAYOUTS)))
def test_the_text_around_the_gap_is_never_altered(before: str, after: str, family: str) -> None:
    layout = LAYOUTS[family]
    filled = layout.fill(before, after)
    assert before in filled
    assert after in filled
    assert len(filled) == len(before) + len(after) + len(layout.fill("", ""))


def test_what_is_configured_comes_before_the_name() -> None:
    assert find_layout(T600, "deepseek-coder:6.7b") is LAYOUTS["deepseek"]
    assert find_layout(T600, "llama3.1:8b") is None
    assert find_layout(with_fim("qwen"), "m") is LAYOUTS["qwen"]
    assert find_layout(with_fim("insert", "deepseek-coder:6.7b"), "deepseek-coder:6.7b") is None
    assert find_layout(with_fim("chat", "codestral"), "codestral:latest") is None
    assert (fim_of(with_fim("chat", "codestral"), "codestral:latest"), fim_of(T600, "codestral")) == ("chat", "auto")


def test_text_that_has_such_marks_itself_is_noted() -> None:
    layout = LAYOUTS["starcoder"]
    assert notes_of(layout, "a", "b") == (BY_MARKS,)
    assert notes_of(layout, "a <fim_middle> b", "") == (BY_MARKS, MARKS_IN_TEXT)
    assert notes_of(layout, "", "<fim_prefix>") == (BY_MARKS, MARKS_IN_TEXT)
