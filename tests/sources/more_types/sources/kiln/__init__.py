"""Kiln: a made-up forge that merges, rolls out and alarms, and tells all of it as one journal."""
