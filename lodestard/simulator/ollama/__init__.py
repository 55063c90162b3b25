"""Ollama's native dialect, spoken by the simulator."""
