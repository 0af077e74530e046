"""Simulated footage of diving events, to train what finds the dives in it."""
