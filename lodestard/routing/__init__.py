"""Which models may answer, in which order, and why. Pure: a decision and its reasons, nothing else."""
