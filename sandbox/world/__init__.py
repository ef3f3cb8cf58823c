"""The simulated companies: what exists, how it is generated from a seed, and how it changes."""
