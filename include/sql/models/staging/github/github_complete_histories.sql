-- Statements: core.transform_watermarks remembers the repositories in which no parent of a commit with a position is
-- missing. github_commit_walks.sql reads that in the next run.
with walked as (
    select w.integration_id, w.repository_id,
           format('github_commit_positions:%s:%s', w.integration_id, w.repository_id) as transform
    from github_commit_walks w
), ordered as (
    select c.integration_id, c.repository_id, c.parent_shas from github_commit_chain c
    union all
    select s.integration_id, s.repository_id, s.parent_shas from github_commit_sides s
), with_gaps as materialized (
    select distinct format('github_commit_positions:%s:%s', o.integration_id, o.repository_id) as transform
    from ordered o
    cross join unnest(o.parent_shas) as parent (sha)
    where not exists (
        select from core.commits p
        where (p.integration_id, p.repository_id, p.sha) = (o.integration_id, o.repository_id, parent.sha)
        offset 0)
), forgotten as (
    delete from core.transform_watermarks m using with_gaps g
    where m.transform = g.transform
)
insert into core.transform_watermarks (client_id, transform, loaded_xid)
select core.etl_client_id(), w.transform, current_setting('pulse.normalise_next')::xid8
from walked w
where w.transform not in (select g.transform from with_gaps g)
on conflict (client_id, transform) do nothing
