"""Judges models: suites, comparisons, ledgers, cards and reports, by name."""
