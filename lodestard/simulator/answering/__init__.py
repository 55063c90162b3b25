"""What the simulated models say: the same question and seed always get the same answer."""
