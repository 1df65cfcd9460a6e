"""Measures, evaluation, and TREC files."""
