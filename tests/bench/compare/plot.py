"""A run as a picture: bars on a logarithmic scale, as SVG text. Pure."""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from xml.sax.saxutils import escape

from tests.bench.compare.cases import US
from tests.bench.compare.results import Results, median

PANEL_WIDTH, BAR, GAP, LEFT, TOP = 420, 20, 8, 110, 46
FONT = 'font-family="sans-serif" font-size="12"'
OURS, OTHERS = "#c2410c", "#64748b"
SHOWN = (
    ("plain-1k", 32, "per_s", "requests/s at 32 connections", "{:,.0f}"),
    ("plain-1k", 32, "cpu_us", "CPU of a request, µs", "{:,.0f}"),
    ("latency", 1, "p50_ms", "p50 at 100 requests/s, ms", "{:,.2f}"),
    ("paced", 200, "cpu_us", "200 streams: CPU of an event, µs", "{:,.1f}"),
)


@dataclass(frozen=True)
class Panel:
    """One row of a case, as bars."""

    title: str
    form: str
    values: dict[str, float]

    def svg(self, left: int, top: int) -> Iterator[str]:
        yield f'<text x="{left}" y="{top + 16}" font-weight="bold">{escape(self.title)}</text>'
        least, most = min(self.values.values()), max(self.values.values())
        decades = max(1.0, math.log10(most / least) + 0.5)
        for number, (label, value) in enumerate(self.values.items()):
            y = top + TOP - 18 + number * (BAR + GAP)
            share = (math.log10(value / least) + 0.5) / decades
            width = max(2, round((PANEL_WIDTH - LEFT - 80) * share))
            colour = OURS if label == US else OTHERS
            yield f'<text x="{left + LEFT - 6}" y="{y + 15}" text-anchor="end">{escape(label)}</text>'
            yield f'<rect x="{left + LEFT}" y="{y}" width="{width}" height="{BAR}" fill="{colour}"/>'
            yield f'<text x="{left + LEFT + width + 5}" y="{y + 15}">{self.form.format(value)}</text>'

    @property
    def height(self) -> int:
        return TOP + len(self.values) * (BAR + GAP)


def plot(results: Results) -> str:
    """The picture, or one without panels where nothing was measured."""
    panels = list(_panels(results))
    height = max((panel.height for panel in panels), default=0)
    rows = math.ceil(len(panels) / 2)
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{2 * PANEL_WIDTH}" height="{rows * height}" {FONT}>',
        '<rect width="100%" height="100%" fill="white"/>',
    ]
    for number, panel in enumerate(panels):
        lines += panel.svg(number % 2 * PANEL_WIDTH + 10, number // 2 * height)
    return "\n".join([*lines, "</svg>"]) + "\n"


def _panels(results: Results) -> Iterator[Panel]:
    for case, connections, figure, title, form in SHOWN:
        row = results.row(case, connections)
        found = {} if row is None else {label: row.values(label, figure) for label in row.labels()}
        values = {label: median(shots) for label, shots in found.items() if shots and median(shots) > 0}
        if values:
            yield Panel(title, form, values)
