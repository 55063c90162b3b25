"""The prices that rows were made with, by version.

An attempt's ``price`` is the version of its price; rows of version 1 have the price itself, as JSON. ``details`` are
the rarer kinds of tokens that it used, as JSON, so that its cost can be worked out again.
"""

PRICES = """
CREATE TABLE price_version (
    version TEXT PRIMARY KEY,
    body TEXT NOT NULL
) STRICT, WITHOUT ROWID;
ALTER TABLE attempt ADD COLUMN details TEXT NOT NULL DEFAULT '';
"""
