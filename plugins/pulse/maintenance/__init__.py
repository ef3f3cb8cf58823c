"""What is kept for a time only, and goes when that is over (docs/maintenance.md)."""
