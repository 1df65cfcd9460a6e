"""Weights as files: mixed, added, and laid out as a folder."""
