"""Readers: one file a source or format, each yielding documents and setting bad records aside."""
