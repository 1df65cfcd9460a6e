"""The report: one HTML file that opens from disk, with nothing fetched and no script."""
