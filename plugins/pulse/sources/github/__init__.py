"""GitHub: repositories, pull requests, deployments and the default branch, through GraphQL."""
