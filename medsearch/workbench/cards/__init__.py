"""Model cards, filled from results and provenance."""
