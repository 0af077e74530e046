"""Datasets, splits and batches."""
