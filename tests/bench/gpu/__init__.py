"""``make bench-gpu``: who is on the card, with and without residency, on a simulated machine and a simulated clock.

Traffic (``traffic.py``, ``aider.py``, ``workloads.py``) is a pure function of a seed. ``house.py`` puts the real
gateway in front of the simulated Ollama; ``drive.py`` lets the clients loose; ``figures.py`` reads what came of it
from the clients' side and the card's own. ``baseline.json`` holds what the gateway did before it had a planner.
"""
