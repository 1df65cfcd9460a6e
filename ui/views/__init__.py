"""The two views of the page."""
