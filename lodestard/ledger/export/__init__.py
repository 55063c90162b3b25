"""Everything that the ledger has, as a table for other programs.

Law: the figures are those of the one aggregation (``ledger/figures.py``), so whatever the rows are summed by, they
make what ``costs`` says for the same range, to the nano-dollar. Reads one moment of the file and changes nothing.
Runs as a process of its own: ``python -m lodestard.ledger.export FILE``.
"""
