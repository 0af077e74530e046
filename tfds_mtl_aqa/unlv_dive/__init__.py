"""UNLV-Dive."""
