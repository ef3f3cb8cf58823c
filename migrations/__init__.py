"""The schema of the clients' database: tables and roles (versions), views, seeds."""
