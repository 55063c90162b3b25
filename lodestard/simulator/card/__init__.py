"""The simulated graphics card: what fits, what is evicted, how long everything takes."""
