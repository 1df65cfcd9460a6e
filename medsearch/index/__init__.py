"""The vector index on disk: built resumably, opened by many readers at once."""
