"""A training as it runs: steps, checkpoints, what was seen, resumed after a kill."""
