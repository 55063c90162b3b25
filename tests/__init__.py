"""The tests: see docs/architecture.md for which folder proves what."""
