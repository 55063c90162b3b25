"""Models to pick from, as a list."""

from collections.abc import Sequence

from lodestarctl.picker.screen import figures_of
from lodestarctl.render.blocks import Block, Cell, Column, Table
from lodestard.control.messages.picking import PickRow


def render_picks(rows: Sequence[PickRow]) -> list[Block]:
    """The best first."""
    columns = (
        Column("model"),
        Column("goes to", flexible=True),
        Column("$/M in", "decimal"),
        Column("$/M out", "decimal"),
        Column("context", "right"),
        Column("tok/s", "right"),
        Column("good", "right"),
    )
    table = [
        (Cell(row.name, "strong"), Cell(row.target if row.alias else "", "dim"), *map(Cell, figures_of(row)))
        for row in rows
    ]
    return [Table(columns, table, empty="No model fits.")]
