"""All results of a folder: ranks, verdicts, prices and what must be said beside them."""
