"""Reads Prometheus' text format, as far as gauges and counters need it. Pure.

Law: what a line says is taken exactly (labels with their escapes, exponents, NaN and the infinities) or not at all;
one that makes no sense is counted and passed over. Whoever fetches the page bounds its size; lines and samples are
bounded here.
Source: prometheus.io/docs/instrumenting/exposition_formats.
"""

import re
from collections.abc import Mapping

import msgspec

MAX_LINE_CHARS = 8_192
MAX_SAMPLES = 20_000

_LABEL = r'[ \t]*[A-Za-z_][A-Za-z0-9_]*[ \t]*=[ \t]*"(?:[^"\\]|\\.)*"[ \t]*'
_LINE = re.compile(
    r"(?P<name>[A-Za-z_:][A-Za-z0-9_:]*)"
    rf"(?:[ \t]*\{{(?P<labels>(?:{_LABEL}(?:,{_LABEL})*,?)?)[ \t]*\}}[ \t]*|[ \t]+)"
    r"(?P<value>[+-]?(?:[0-9]+\.?[0-9]*(?:[eE][+-]?[0-9]+)?|\.[0-9]+(?:[eE][+-]?[0-9]+)?|[Ii]nf|[Nn]a[Nn]))"
    r"(?:[ \t]+-?[0-9]+(?:\.[0-9]+)?)?[ \t]*(?:#.*)?"
)
_ONE_LABEL = re.compile(r'([A-Za-z_][A-Za-z0-9_]*)[ \t]*=[ \t]*"((?:[^"\\]|\\.)*)"')
_ESCAPE = re.compile(r"\\(.)")
_ESCAPED = {"n": "\n", '"': '"', "\\": "\\"}


class Sample(msgspec.Struct, frozen=True):
    """One value of one series."""

    name: str
    labels: Mapping[str, str]
    value: float


class Page(msgspec.Struct, frozen=True):
    """The samples of a page, in its order; ``strange`` lines were passed over."""

    samples: tuple[Sample, ...]
    strange: int = 0


def parse_page(text: str) -> Page:
    """All samples of a page. Never raises."""
    samples: list[Sample] = []
    strange = 0
    for line in map(str.strip, text.split("\n")):
        if not line or line.startswith("#"):
            continue
        sample = parse_line(line) if len(line) <= MAX_LINE_CHARS else None
        if sample is None:
            strange += 1
        elif len(samples) < MAX_SAMPLES:
            samples.append(sample)
    return Page(tuple(samples), strange)


def parse_line(line: str) -> Sample | None:
    """One sample; None for what is none. A timestamp and an exemplar are read over."""
    said = _LINE.fullmatch(line)
    if said is None:
        return None
    labels = {name: _unescape(value) for name, value in _ONE_LABEL.findall(said["labels"] or "")}
    return Sample(said["name"], labels, float(said["value"]))


def _unescape(value: str) -> str:
    """An escape that the format does not know stays as it is."""
    return _ESCAPE.sub(lambda found: _ESCAPED.get(found[1], found[0]), value)
