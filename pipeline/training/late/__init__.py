"""Training of late-interaction models: one vector a token."""
