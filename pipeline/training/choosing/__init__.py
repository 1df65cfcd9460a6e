"""Candidates of a run, compared on development sets alone."""
