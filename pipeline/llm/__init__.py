"""Asks language models on OpenAI-compatible servers, several at once, and loses no answer silently."""
