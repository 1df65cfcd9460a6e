"""What each part of the pipeline is worth: variants of one recipe, trained and scored side by side."""
