"""The rules by which generated queries are kept or dropped: what is measured, and where the line is."""
