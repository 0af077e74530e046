"""Simulated dives."""
