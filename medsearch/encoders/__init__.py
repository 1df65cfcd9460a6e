"""The model registry and the encoders that turn text into vectors."""
