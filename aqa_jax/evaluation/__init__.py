"""Predictions, measures and baselines."""
