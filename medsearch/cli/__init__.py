"""The `medsearch` command: parse, call, print."""
