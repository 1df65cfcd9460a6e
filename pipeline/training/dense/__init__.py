"""Training of dense models: one vector a text."""
