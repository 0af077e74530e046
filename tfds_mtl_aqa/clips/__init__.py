"""Finds, reads and stores the frames of recorded clips."""
