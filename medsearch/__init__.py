"""Medical semantic search on one's own machine, and the bench that judges its models."""

__version__ = "0.1.0"
