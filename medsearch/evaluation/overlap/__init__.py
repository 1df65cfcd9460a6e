"""Overlap of texts with a fixed set of benchmark texts: exact, 8-gram containment, near-duplicates."""
