"""Hard negatives: where they come from, what keeps false ones out, and the sides, train and dev."""
