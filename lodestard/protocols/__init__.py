"""Sans-IO translators: one dialect each, bytes in and words of the house out, or the other way round.

Law: nothing here opens, waits, reads a clock or draws a random number; a translator sees bytes and values and
returns bytes and values, so that every one of them can be tested with a transcript. What a dialect can't say is
refused with a ``Fault`` that names the member, never dropped in silence where the answer would change.
"""
