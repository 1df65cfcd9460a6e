"""Where training examples come from: runs and files, read, checked and cleaned of leaks."""
