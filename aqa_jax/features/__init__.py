"""Features of dives, for a regression of their scores."""
