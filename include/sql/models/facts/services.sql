-- Table core.services: what is deployed: a repository, a part of a monorepo, or a name that a custom source gives.
-- Grain: one row per service. Those without a source go at the end of the stage, when no fact is theirs any more.
select id, name, integration_id, repository_id, production_branch, path_pattern, deployment_pattern from live_services
