"""The data set of one or more runs: parquet files, a card, and a page of triplets to read by eye."""
