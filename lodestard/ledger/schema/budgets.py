"""What people did about budgets, and what was told of them.

``attempt.held_tokens`` is the most that it could use, for budgets in tokens. ``budget_act`` is an audit trail:
overrides and what took them back; a row is never changed. An override lifts a budget until ``until_ms``: by ``extra``
of its unit, or altogether where that is NULL. ``budget_alert`` keeps each alert from being told twice in its window.
"""

BUDGETS = """
ALTER TABLE attempt ADD COLUMN held_tokens INTEGER NOT NULL DEFAULT 0;
CREATE TABLE budget_act (
    id INTEGER PRIMARY KEY,
    at_ms INTEGER NOT NULL,
    act TEXT NOT NULL CHECK (act IN ('override', 'revoke', 'set')),
    budget TEXT NOT NULL,
    value TEXT NOT NULL,
    until_ms INTEGER,
    extra INTEGER,
    reason TEXT NOT NULL,
    who TEXT NOT NULL
) STRICT;
CREATE TRIGGER budget_act_stays BEFORE UPDATE ON budget_act
    BEGIN SELECT RAISE(ABORT, 'what was done stays as it was done'); END;
CREATE TABLE budget_alert (
    budget TEXT NOT NULL,
    value TEXT NOT NULL,
    unit TEXT NOT NULL,
    window_start_ms INTEGER NOT NULL,
    level INTEGER NOT NULL,
    at_ms INTEGER NOT NULL,
    text TEXT NOT NULL,
    PRIMARY KEY (budget, value, unit, window_start_ms, level)
) STRICT, WITHOUT ROWID;
"""
