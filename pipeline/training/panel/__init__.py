"""The dev panel: a slice of each dev task, small enough to score every candidate on it."""
