"""The PostgreSQL side: connections, loading, checkpoints, transforms."""
