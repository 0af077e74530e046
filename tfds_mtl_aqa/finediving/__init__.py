"""FineDiving."""
