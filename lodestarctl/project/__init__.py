"""A working folder's ``.lodestar.toml``: where it is, and what a new one says."""
