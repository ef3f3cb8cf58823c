"""Provisioning of Superset over its REST API: assets, roles, row-level security, cache invalidation."""
