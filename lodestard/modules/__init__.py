"""Everything beyond the core. Each folder is one module and may be deleted (with its line in ``__main__.py``)."""
