"""GitHub's GraphQL and REST APIs with the world's data."""
