"""Serves a language model on this machine with vLLM, in a virtual environment of its own (`make llm`)."""
