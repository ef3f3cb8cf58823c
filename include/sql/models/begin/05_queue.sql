-- Statements
-- dora_taken (temporary): the source records written since the last run, taken from core.dora_queue. And the temporary
-- tables in which the steps hand on what they changed: changes and incidents to link again, deployments to flag again,
-- and the days whose numbers have moved (with the fact that moved them; a run that computes everything for another reason
-- than its data needs none of the many).
create temporary table dora_taken (fact text, integration_id bigint, key text) on commit drop;
with taken as (
    delete from core.dora_queue where client_id = (select core.etl_client_id()) returning fact, integration_id, key
)
insert into dora_taken select distinct fact, integration_id, key from taken where not (select is_full from dora_settings);
analyze dora_taken;
-- (apart, since the planner puts no computed value into an index under row-level security)
create temporary table taken_commits on commit drop as
select integration_id, split_part(key, ':', 1)::bigint as repository_id, split_part(key, ':', 2) as sha
from dora_taken where fact = 'commit';
analyze taken_commits;
-- pull requests whose own commits were written
create temporary table taken_own_commits on commit drop as
select integration_id, key::bigint as pull_request_id from dora_taken where fact = 'pull_request_commits';
analyze taken_own_commits;

create temporary table relink_changes (change_id text) on commit drop;
create temporary table relink_incidents (incident_id text) on commit drop;
create temporary table reflag_deployments (deployment_id text) on commit drop;
create temporary table changed_deployments (
    id text, service_id text, environment text, position bigint, contains_after bigint, finished_at timestamptz, sha text,
    url text, ref_name text) on commit drop;
create temporary table changed_links (change_id text) on commit drop;
create temporary table moved (family text, service_id text, day date, fact_id text, what text) on commit drop;
