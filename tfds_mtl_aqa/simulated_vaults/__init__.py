"""Simulated vaults."""
