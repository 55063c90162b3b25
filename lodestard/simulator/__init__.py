"""A simulated world of upstreams: a faithful Ollama server on a small card, and scripted paid providers.

Law: it imports nothing of the house outside this folder. Shared readers would hide the house's own mistakes, and
its meter would be worth nothing as a witness.
"""
