"""Sessions: which requests belong together.

``origin`` says how one began: ``named`` by a client, ``asked`` for on the command line, or ``gap``, a silence before
it. ``last_target`` is the model that answered last. Names are the clients' own, so each principal has its own.
"""

SESSIONS = """
CREATE TABLE session (
    id TEXT NOT NULL,
    origin TEXT NOT NULL CHECK (origin IN ('named', 'asked', 'gap')),
    principal TEXT NOT NULL,
    project TEXT NOT NULL,
    user TEXT NOT NULL,
    client TEXT NOT NULL,
    started_ms INTEGER NOT NULL,
    last_ms INTEGER NOT NULL,
    ended_ms INTEGER,
    last_target TEXT NOT NULL,
    PRIMARY KEY (id, principal)
) STRICT, WITHOUT ROWID;
CREATE INDEX session_last ON session (last_ms);
CREATE INDEX session_who ON session (principal, project, user, client, last_ms);
"""
