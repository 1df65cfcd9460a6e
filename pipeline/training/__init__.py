"""Training: from triplets to a small model that beats its base on development sets."""
