"""Compares two retrievers on the tasks that both have, fairly or not at all."""
