"""MIT-Dive."""
