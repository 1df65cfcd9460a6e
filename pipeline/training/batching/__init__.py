"""Which examples meet in which batch, and how their texts are cut."""
