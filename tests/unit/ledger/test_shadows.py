"""Sums over what the shadow policy said, on the two tables that it reads."""

import json
import sqlite3
from contextlib import closing
from typing import Any

from lodestard.ledger.shadows import SHADOWS, ShadowRow, shadow_row

TABLES = """
CREATE TABLE request (seq INTEGER, received_ms INTEGER, upstream TEXT, model TEXT, cost_nano_usd INTEGER);
CREATE TABLE trace (request_seq INTEGER, body TEXT);
"""


def summed(*rows: tuple[str, str, int, dict[str, Any]]) -> list[ShadowRow]:
    with closing(sqlite3.connect(":memory:")) as database:
        database.executescript(TABLES)
        for seq, (upstream, model, cost, trace) in enumerate(rows):
            database.execute("INSERT INTO request VALUES (?, 10, ?, ?, ?)", (seq, upstream, model, cost))
            database.execute("INSERT INTO trace VALUES (?, ?)", (seq, json.dumps(trace)))
        return [shadow_row(row) for row in database.execute(SHADOWS, (10,))]


def test_costs_are_the_shadows_only_where_it_differs_and_they_are_known() -> None:
    other = {"target": "b/y", "differs": True}
    found = summed(
        ("a", "x", 100, {"shadow": {**other, "cost_nano_usd": 30}}),
        ("a", "x", 50, {"shadow": {**other, "cost_nano_usd": None}}),
        ("a", "x", 7, {"shadow": {"target": "a/x", "differs": False}}),
        ("a", "x", 9, {}),
    )
    assert sorted(found, key=lambda row: row.target) == [
        ShadowRow("a/x", "a/x", 1, 0, 7, 7),
        ShadowRow("a/x", "b/y", 2, 2, 150, 80),
    ]


def test_who_was_answered_by_nobody_has_no_source() -> None:
    (row,) = summed(("", "", 0, {"shadow": {"target": "b/y", "differs": True, "cost_nano_usd": None}}))
    assert row.source == ""
