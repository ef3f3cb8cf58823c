-- Statements
-- core.deployment_changes: one row a deployed change: in each environment the first deployment that contains it, unless that
-- is the baseline; of these the earliest. Where merges are the deployments, each its own. With its lead time, its stages, or
-- why it does not count. For the changes that moved, and those that lie in what a moved deployment brought
-- (contains_after, position].
insert into relink_changes
select c.id
from (
    select service_id, coalesce(contains_after, -9223372036854775807) as low, max(position) as high
    from changed_deployments
    where position is not null and (contains_after is null or contains_after < position)
    group by 1, 2
) d
join core.changes c
  on (c.client_id, c.service_id) = ((select core.etl_client_id()), d.service_id)
 and c.merge_position > d.low and c.merge_position <= d.high
where not (select is_full from dora_settings);
create temporary table relinked_changes on commit drop as
select c.id as change_id, (row_number() over ())::integer as change_no, c.service_id, c.merge_position, c.is_bot, c.merged_at,
       case s.start_event when 'opened' then c.opened_at else c.first_commit_at end as started_at, c.coding_hours,
       c.pickup_hours, c.review_hours
from (
    select c.*
    from (select distinct change_id from relink_changes) q
    cross join lateral (
        select * from core.changes c where (c.client_id, c.id) = ((select core.etl_client_id()), q.change_id) offset 0
    ) c
    where not (select is_full from dora_settings)
    union all
    select * from core.changes where (select is_full from dora_settings) and client_id = (select core.etl_client_id())
) c
cross join dora_settings s;
create unique index on relinked_changes (change_id);
analyze relinked_changes (change_id, service_id);

-- A deployment brought the positions (contains_after, position]: a change came with the deployment that has the next position,
-- which is the last one seen before it from the top (its place). A service's history ends at the position of its very first
-- deployment. (By windows over both, since the planner does not know how many there are: it would join all with all.)
create temporary table wanted_links on commit drop as
with deployed as materialized (
    select d.service_id, d.environment, d.contains_after, d.position, d.finished_at, d.finished_on, d.id, d.is_baseline
    from (select service_id, min(merge_position) as low from relinked_changes group by service_id) q
    join core.deployments d on (d.client_id, d.service_id) = ((select core.etl_client_id()), q.service_id)
     and d.environment_tier = 'production' and d.result = 'success'
    where d.position >= q.low or d.is_baseline
), sequences as (
    select service_id, environment, row_number() over () as sequence_no,
           first_value(position) over (partition by service_id order by finished_at, id) as history_until
    from deployed where is_baseline
), facts as (
    select s.sequence_no, d.position, d.contains_after, d.id as deployment_id, d.finished_at, d.finished_on,
           null::integer as change_no, null as change_id, null as service_id, null::boolean as is_bot,
           null::timestamptz as merged_at, null::timestamptz as started_at, null::double precision as coding_hours,
           null::double precision as pickup_hours, null::double precision as review_hours
    from deployed d
    join sequences s on (s.service_id, s.environment) = (d.service_id, d.environment)
    where d.contains_after < d.position
    union all
    select q.sequence_no, c.merge_position, null, null, null, null, c.change_no, c.change_id, c.service_id, c.is_bot,
           c.merged_at, c.started_at, c.coding_hours, c.pickup_hours, c.review_hours
    from relinked_changes c
    join sequences q on q.service_id = c.service_id and q.history_until < c.merge_position
), placed as (
    select *, count(deployment_id) over (
        partition by sequence_no order by position desc, change_no is not null rows unbounded preceding) as place
    from facts
), found as (
    select change_no, change_id, service_id, is_bot, merged_at, started_at, coding_hours, pickup_hours, review_hours, position,
           first_value(deployment_id) over brought as deployment_id, first_value(finished_at) over brought as deployed_at,
           first_value(finished_on) over brought as deployed_on, first_value(contains_after) over brought as contains_after
    from placed
    window brought as (partition by sequence_no, place order by change_no nulls first)
), claimed as (
    select change_no, change_id, service_id, is_bot, merged_at, started_at, coding_hours, pickup_hours, review_hours,
           deployment_id, deployed_at, deployed_on
    from found
    where change_no is not null and contains_after < position
    union all
    select c.change_no, c.change_id, c.service_id, c.is_bot, c.merged_at, c.started_at, c.coding_hours, c.pickup_hours,
           c.review_hours, d.id, d.finished_at, d.finished_on
    from relinked_changes c
    cross join lateral (
        select * from core.deployments d
        where (d.client_id, d.id) = ((select core.etl_client_id()), 'gh-merge:' || substr(c.change_id, strpos(c.change_id, ':') + 1))
        offset 0
    ) d
    where (select deployment_source = 'merges' from dora_settings)
)
select distinct on (f.change_no)
    f.change_id, f.service_id, f.deployment_id, f.deployed_at, f.deployed_on,
    core.elapsed_hours(f.started_at, f.deployed_at, s.working) as lead_time_hours, f.coding_hours, f.pickup_hours, f.review_hours,
    core.elapsed_hours(f.merged_at, f.deployed_at, s.working) as merge_to_deploy_hours,
    case
        when f.is_bot and s.exclude_bots then 'bot'
        when f.started_at is null then 'no commits'
        when f.deployed_at < f.started_at then 'negative duration'
    end as exclusion_reason
from claimed f
cross join dora_settings s
order by f.change_no, f.deployed_at, f.deployment_id;
create unique index on wanted_links (change_id);
analyze wanted_links (change_id);

create temporary table changed_claims (
    change_id text, old_deployment_id text, deployment_id text, old_service_id text, service_id text, old_deployed_on date,
    deployed_on date, was_counted boolean, is_counted boolean, is_counted_anew boolean) on commit drop;
with removed as (
    delete from core.deployment_changes t using relinked_changes r
    where (t.client_id, t.change_id) = ((select core.etl_client_id()), r.change_id)
      and not exists (select from wanted_links w where w.change_id = t.change_id)
    returning t.change_id, t.deployment_id, t.service_id, t.deployed_on, t.exclusion_reason
)
insert into changed_claims
select change_id, deployment_id, null, service_id, null, deployed_on, null, exclusion_reason is null, false, true
from removed where (select reason = 'data' from dora_settings);
with merged as (
    merge into core.deployment_changes as t
    using wanted_links as s on (t.client_id, t.change_id) = ((select core.etl_client_id()), s.change_id)
    when matched and row(t.deployment_id, t.service_id, t.deployed_at, t.deployed_on, t.lead_time_hours, t.coding_hours,
                         t.pickup_hours, t.review_hours, t.merge_to_deploy_hours, t.exclusion_reason)
        is distinct from row(s.deployment_id, s.service_id, s.deployed_at, s.deployed_on, s.lead_time_hours, s.coding_hours,
                             s.pickup_hours, s.review_hours, s.merge_to_deploy_hours, s.exclusion_reason) then update set
        deployment_id = s.deployment_id, service_id = s.service_id, deployed_at = s.deployed_at,
        deployed_on = s.deployed_on, lead_time_hours = s.lead_time_hours, coding_hours = s.coding_hours,
        pickup_hours = s.pickup_hours, review_hours = s.review_hours, merge_to_deploy_hours = s.merge_to_deploy_hours,
        exclusion_reason = s.exclusion_reason
    when not matched then insert
        (client_id, change_id, deployment_id, service_id, deployed_at, deployed_on, lead_time_hours, coding_hours,
         pickup_hours, review_hours, merge_to_deploy_hours, exclusion_reason)
        values ((select core.etl_client_id()), s.change_id, s.deployment_id, s.service_id, s.deployed_at, s.deployed_on,
                s.lead_time_hours, s.coding_hours, s.pickup_hours, s.review_hours, s.merge_to_deploy_hours,
                s.exclusion_reason)
    returning new.change_id, old.deployment_id as old_deployment_id, new.deployment_id, old.service_id as old_service_id,
              new.service_id, old.deployed_on as old_deployed_on, new.deployed_on,
              old.change_id is not null and old.exclusion_reason is null as was_counted,
              new.exclusion_reason is null as is_counted,
              row(old.service_id, old.deployed_on, old.lead_time_hours, old.coding_hours, old.pickup_hours,
                  old.review_hours, old.merge_to_deploy_hours, old.exclusion_reason)
                  is distinct from row(new.service_id, new.deployed_on, new.lead_time_hours, new.coding_hours,
                  new.pickup_hours, new.review_hours, new.merge_to_deploy_hours, new.exclusion_reason) as is_counted_anew
)
insert into changed_claims select * from merged where (select reason = 'data' from dora_settings);
analyze changed_claims (change_id);

insert into moved
select 'delivery', old_service_id, old_deployed_on, change_id, case when deployment_id is null then 'removed' else 'changed' end
from changed_claims where was_counted and is_counted_anew
union all
select 'delivery', service_id, deployed_on, change_id, case when was_counted then 'changed' else 'added' end
from changed_claims where is_counted and is_counted_anew;
insert into changed_links
select change_id from changed_claims
where old_deployment_id is distinct from deployment_id and not (select is_full from dora_settings);
insert into reflag_deployments
select d.id
from changed_claims c
cross join lateral (values (c.old_deployment_id), (c.deployment_id)) d (id)
where c.old_deployment_id is distinct from c.deployment_id and d.id is not null and not (select is_full from dora_settings);
