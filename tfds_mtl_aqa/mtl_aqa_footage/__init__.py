"""MTL-AQA's whole events, to train what finds the dives in them."""
