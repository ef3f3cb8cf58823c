"""Pulse: every client's own view of how well it ships software."""
