"""GitHub: repositories, pull requests, deployments and the default branch, by GraphQL."""
