"""Feedback: what became of answers.

A row for each source that has judged an answer of a request; it goes when its request goes. ``target`` is whose
answer, which is another one than the request's where a check has failed it.
"""

FEEDBACK = """
CREATE TABLE feedback (
    request_id TEXT NOT NULL REFERENCES request (id) ON DELETE CASCADE,
    source TEXT NOT NULL CHECK (source IN ('said', 'test', 'edit_failed', 'check', 'resent')),
    target TEXT NOT NULL,
    verdict TEXT NOT NULL CHECK (verdict IN ('good', 'bad')),
    kind TEXT NOT NULL,
    project TEXT NOT NULL,
    weight REAL NOT NULL,
    at_ms INTEGER NOT NULL,
    hardness REAL NOT NULL,
    PRIMARY KEY (request_id, source, target)
) STRICT, WITHOUT ROWID;
CREATE INDEX feedback_at ON feedback (at_ms);
"""
