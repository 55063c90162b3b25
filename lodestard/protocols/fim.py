"""Filling a gap by the marks that a model was trained with: of which family it is, and how its prompt is laid out.

Law: pure; the text around the gap is never altered. A family is told by the model's name alone, once for each name.
Sources: the READMEs of DeepSeek-Coder ("code insertion") and Qwen2.5-Coder ("file-level fill-in-the-middle"), Code
Llama's paper (section 2.3), StarCoder2's (section 5.1), Google's "CodeGemma prompt structure", Mistral's tokenizer
for Codestral, IBM's Granite model cards; the same layouts stand in Ollama's templates of these models.
"""

from collections.abc import Mapping
from functools import lru_cache

import msgspec

from lodestard.domain.pins import find_local_model
from lodestard.domain.settings import Fim, Upstream

BY_MARKS = "gap filled by the model's own marks"
MARKS_IN_TEXT = "the text has such marks of its own"


class Layout(msgspec.Struct, frozen=True):
    """How a family is asked: ``opening``, the text before, ``hole``, the text after, ``end``.

    ``suffix_first``: the text after comes first. ``stops`` end an answer whose marks are written out; a mark of the
    layout itself never belongs to an answer either.
    """

    opening: str
    hole: str
    end: str
    stops: tuple[str, ...] = ()
    suffix_first: bool = False

    @property
    def marks(self) -> tuple[str, ...]:
        """Its marks without the blanks around them."""
        return tuple(mark for mark in (self.opening.strip(), self.hole.strip(), self.end.strip()) if mark)

    @property
    def all_stops(self) -> tuple[str, ...]:
        return (*self.marks, *self.stops)

    def fill(self, before: str, after: str) -> str:
        """The prompt for what stands between ``before`` and ``after``."""
        first, second = (after, before) if self.suffix_first else (before, after)
        return f"{self.opening}{first}{self.hole}{second}{self.end}"

    def has_marks(self, text: str) -> bool:
        """Whether ``text`` itself has one of the marks, so that the model may take it for one."""
        return any(mark in text for mark in self.marks)


_BARS = ("<|fim_prefix|>", "<|fim_suffix|>", "<|fim_middle|>")
LAYOUTS: Mapping[str, Layout] = {
    "codegemma": Layout(*_BARS, ("<|file_separator|>",)),
    "codellama": Layout("<PRE> ", " <SUF>", " <MID>", ("<EOT>",)),
    "codestral": Layout("[SUFFIX]", "[PREFIX]", "", suffix_first=True),
    "deepseek": Layout(
        "<\uff5cfim\u2581begin\uff5c>",
        "<\uff5cfim\u2581hole\uff5c>",
        "<\uff5cfim\u2581end\uff5c>",
        ("<\uff5cend\u2581of\u2581sentence\uff5c>", "<|EOT|>"),
    ),
    "granite": Layout(*_BARS, ("<|fim_pad|>", "<|end_of_text|>")),
    "qwen": Layout(*_BARS, ("<|fim_pad|>", "<|repo_name|>", "<|file_sep|>", "<|endoftext|>", "<|im_end|>")),
    "starcoder": Layout("<fim_prefix>", "<fim_suffix>", "<fim_middle>", ("<file_sep>", "<|endoftext|>")),
}

# What a name has in it, all of these, for a family; the first that fits.
_NAMES: tuple[tuple[tuple[str, ...], str], ...] = (
    (("deepseek", "coder"), "deepseek"),
    (("codeqwen",), "starcoder"),
    (("qwen", "coder"), "qwen"),
    (("codegemma",), "codegemma"),
    (("codestral",), "codestral"),
    (("codellama",), "codellama"),
    (("code-llama",), "codellama"),
    (("starcoder",), "starcoder"),
    (("stable-code",), "starcoder"),
    (("granite-code",), "starcoder"),
    (("granite", "-code-"), "starcoder"),
    (("granite4",), "granite"),
    (("granite-4",), "granite"),
    (("granite3.3",), "granite"),
    (("granite-3.3",), "granite"),
)
_NOT_TRAINED = ("codellama:python", "-python", ":34b", ":70b")
"""Of Code Llama: its Python and its larger models have never seen the marks."""


@lru_cache(maxsize=256)
def family_of(model: str) -> str:
    """The family of a model by its name; empty where none is known."""
    name = model.lower()
    for parts, family in _NAMES:
        if all(part in name for part in parts):
            return "" if family == "codellama" and any(odd in name for odd in _NOT_TRAINED) else family
    return ""


def fim_of(settings: Upstream, model: str) -> Fim:
    """How ``model`` is asked to fill a gap, as it is configured."""
    return find_local_model(settings, model).fim if settings.models else "auto"


def find_layout(settings: Upstream, model: str) -> Layout | None:
    """The layout that ``model`` is asked in; None where it is asked in another way, or no family is known."""
    way = fim_of(settings, model)
    return LAYOUTS.get(family_of(model) if way == "auto" else way)


def notes_of(layout: Layout, before: str, after: str) -> tuple[str, ...]:
    """What was done with a gap between these."""
    marked = layout.has_marks(before) or layout.has_marks(after)
    return (BY_MARKS, MARKS_IN_TEXT) if marked else (BY_MARKS,)
