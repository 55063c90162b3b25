"""Sans-IO translators: one dialect each, bytes in and words of the house out, or the other way round.

``codec.py`` says what a translator offers; ``clients.py`` and ``codecs.py`` list those of clients and of upstreams.
Each family of dialects is a folder; beside them stand what all share (events, JSON, errors), and what does for an
upstream what its dialect lacks (``emulation/``, ``completion_as_chat.py``).

Law: nothing here opens, waits, reads a clock or draws a random number; a translator sees bytes and values and
returns bytes and values, so that every one of them can be tested with a transcript. What a dialect can't say is
refused with a ``Fault`` that names the member, or left out and told; never dropped in silence.
"""
