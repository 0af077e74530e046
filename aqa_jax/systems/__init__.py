"""The systems: a folder each, with its network and its official names."""
