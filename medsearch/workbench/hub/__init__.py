"""Tasks of the model hub through mteb, and local corpora as mteb's tasks."""
