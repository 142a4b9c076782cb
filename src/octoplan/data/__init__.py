"""Data for training: what keeps held-out examples out of it."""
