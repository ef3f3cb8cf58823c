"""GitHub over the world: its GraphQL and REST APIs."""
