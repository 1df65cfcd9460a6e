"""Retrievers over an index or a corpus: dense, BM25, hybrid; filters, roll-up, highlighting."""
