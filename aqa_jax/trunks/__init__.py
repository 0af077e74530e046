"""Trunks: video to features, for several systems."""
