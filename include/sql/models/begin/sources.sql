-- Temporary table sources: the client's integrations, and how the ids of their facts begin.
-- Grain: one row per integration.
-- A fact's id is the prefix, what it is where the source has several kinds of it, the integration, and the record's own id:
-- gh-pr:<integration>:<pull request>, jira:<integration>:<issue>, custom:<integration>:<record>.
-- Index: (integration_id)
select id as integration_id, integration_type as source,
       case integration_type when 'github' then 'gh' when 'http_json' then 'custom' else integration_type end as prefix
from core.integrations
