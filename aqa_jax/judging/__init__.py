"""Judges videos of people's own with a trained network."""
