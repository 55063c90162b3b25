"""Aider's configuration: what its files say, and how they are laid over files that are there."""
