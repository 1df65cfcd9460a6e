"""The guard set: questions outside medicine, by which it is seen what training has cost."""
