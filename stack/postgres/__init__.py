"""The embedded PostgreSQL servers: their accounts, configuration, data folders and roles."""
