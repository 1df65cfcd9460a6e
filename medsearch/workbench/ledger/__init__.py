"""The contamination ledger: benchmark texts in training data."""
