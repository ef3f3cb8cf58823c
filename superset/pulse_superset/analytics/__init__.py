"""The analytics API: what the dashboards show, as JSON and CSV (docs/api.md)."""
