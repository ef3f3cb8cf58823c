-- Statements
-- dora_cells (temporary): the published numbers to compute again: one row a family of metrics, grain, scope and period.
-- Those in which a fact has moved, those of periods that were running at the last run or began since, and all of a scope
-- whose first day has changed. core.dora_scopes: from which day on a scope has events of a family.
create temporary table scope_services on commit drop as
select 'service' as scope_type, v.id as scope_id, v.id as service_id from live_services v
union all
select distinct 'team', t ->> 'name', v.id
from dora_settings s, jsonb_array_elements(s.teams) t, jsonb_array_elements_text(t -> 'services') pattern, live_services v
where v.name ~* core.search_pattern(pattern)
union all
select 'repository', 'gh-repo:' || v.integration_id || ':' || v.repository_id, v.id
from live_services v
where v.repository_id is not null
  and exists (select from live_services o
              where (o.integration_id, o.repository_id) = (v.integration_id, v.repository_id) and o.has_parts);
create index on scope_services (scope_type, scope_id);
create index on scope_services (service_id);
analyze scope_services;

-- members: which services a scope has; other ones make it another scope. scope_no: 1 is the client.
create temporary table scope_days on commit drop as
with memberships as (
    select scope_type, scope_id, string_agg(service_id, ' ' order by service_id) as members
    from scope_services where scope_type <> 'service' group by 1, 2
), by_service as (
    select v.id as service_id, f.*
    from live_services v
    cross join lateral (
        select 'deployments' as family,
               (select min(d.finished_on) from core.deployments d
                where (d.client_id, d.service_id, d.environment_tier) = ((select core.etl_client_id()), v.id, 'production'))
                   as first_day,
               (select d.finished_on from core.deployments d
                where (d.client_id, d.service_id, d.environment_tier) = ((select core.etl_client_id()), v.id, 'production')
                  and d.result = 'success'
                order by d.finished_on limit 1) as success_day
        union all
        select 'delivery', (
            select l.deployed_on from core.deployment_changes l
            where (l.client_id, l.service_id) = ((select core.etl_client_id()), v.id) and l.exclusion_reason is null
            order by l.deployed_on limit 1), null
        union all
        select 'recovery', (
            select min(i.resolved_on) from core.incidents i
            where (i.client_id, i.service_id) = ((select core.etl_client_id()), v.id)), null
        union all
        select 'pull_requests', (
            select c.merged_on from core.changes c
            where v.repository_id is not null and (c.client_id, c.service_id) = ((select core.etl_client_id()), v.id)
              and c.pull_request_id is not null and not (c.is_bot and (select exclude_bots from dora_settings))
            order by c.merged_on limit 1), null
    ) f
    union all
    select null, 'recovery', (
        select min(i.resolved_on) from core.incidents i
        where i.client_id = (select core.etl_client_id()) and i.service_id is null), null
), found as (
    -- The client has numbers (or the reason why there is none) of every family from its first event of any kind on.
    select 'client' as scope_type, '' as scope_id, f.family, (select min(first_day) from by_service) as first_day,
           min(b.first_day) as kind_day, min(b.success_day) as success_day, '' as members
    from (values ('deployments'), ('delivery'), ('recovery'), ('pull_requests')) f (family)
    left join by_service b on b.family = f.family
    where (select min(first_day) from by_service) is not null
    group by f.family
    union all
    select m.scope_type, m.scope_id, b.family, min(b.first_day), min(b.first_day), min(b.success_day), coalesce(min(n.members), '')
    from scope_services m
    join by_service b on b.service_id = m.service_id
    left join memberships n on (n.scope_type, n.scope_id) = (m.scope_type, m.scope_id)
    group by 1, 2, 3 having min(b.first_day) is not null
)
select *, (dense_rank() over (order by scope_type <> 'client', scope_type, scope_id))::integer as scope_no from found;
create unique index on scope_days (scope_type, scope_id, family);
analyze scope_days;

-- Scopes of which everything is computed: those that are new, have gone, or begin on another day.
create temporary table recomputed_scopes on commit drop as
select coalesce(d.scope_type, t.scope_type) as scope_type, coalesce(d.scope_id, t.scope_id) as scope_id,
       coalesce(d.family, t.family) as family
from scope_days d
full join (select * from core.dora_scopes where client_id = (select core.etl_client_id())) t
  on (t.scope_type, t.scope_id, t.family) = (d.scope_type, d.scope_id, d.family)
where (select is_full from dora_settings)
   or row(d.first_day, d.kind_day, d.success_day, d.members)
      is distinct from row(t.first_day, t.kind_day, t.success_day, t.members);
create unique index on recomputed_scopes (scope_type, scope_id, family);
analyze recomputed_scopes;
merge into core.dora_scopes as t
using scope_days as s
   on (t.client_id, t.scope_type, t.scope_id, t.family) = ((select core.etl_client_id()), s.scope_type, s.scope_id, s.family)
when matched and row(t.first_day, t.kind_day, t.success_day, t.members)
    is distinct from row(s.first_day, s.kind_day, s.success_day, s.members) then
    update set first_day = s.first_day, kind_day = s.kind_day, success_day = s.success_day, members = s.members
when not matched then insert (client_id, scope_type, scope_id, family, first_day, kind_day, success_day, members)
    values ((select core.etl_client_id()), s.scope_type, s.scope_id, s.family, s.first_day, s.kind_day, s.success_day, s.members)
when not matched by source and t.client_id = (select core.etl_client_id()) then delete;

-- days: of a rolling window.
create temporary table family_grains on commit drop as
select k.family, g.grain, g.days, bool_or(k.has_past_windows) as has_past_windows
from core.metric_catalogue k
cross join (
    values ('day', null), ('week', null), ('month', null), ('rolling_7d', 7), ('rolling_30d', 30), ('rolling_90d', 90)
) g (grain, days)
where not (k.family = 'pull_requests' and g.grain in ('day', 'rolling_7d'))
group by k.family, g.grain, g.days;
analyze family_grains;

-- The days that rolling windows end on: today; of the client also each Sunday of the last 400 days, and the day before each
-- of the windows that end today begins: what they are compared with. Metrics without past windows (stages, pull requests)
-- have the latest only: today, and what it is compared with.
create temporary table rolling_ends on commit drop as
select c.is_client, e.day as end_day, e.is_compared, e.is_compared or e.day = s.today as is_latest
from dora_settings s
cross join (values (true, 400), (false, 0)) c (is_client, days)
cross join lateral (
    select d::date as day, c.is_client and s.today - d::date in (7, 30, 90) as is_compared
    from generate_series(s.today - c.days, s.today, interval '1 day') d
) e
where extract(isodow from e.day) = 7 or e.is_compared or e.day = s.today;
analyze rolling_ends;

create temporary table moved_days on commit drop as
-- (not of scopes of which everything is computed)
with days as (select distinct family, service_id, day from moved where day is not null and not (select is_full from dora_settings))
select distinct d.family, m.scope_type, m.scope_id, d.day
from days d
join scope_services m on m.service_id = d.service_id
where not exists (select from recomputed_scopes r
                  where (r.scope_type, r.scope_id, r.family) = (m.scope_type, m.scope_id, d.family))
union
select distinct d.family, 'client', '', d.day
from days d
where not exists (select from recomputed_scopes r where (r.scope_type, r.scope_id, r.family) = ('client', '', d.family));
analyze moved_days;

-- The days with facts, of scopes of which everything is computed: such days alone have numbers (but for the client's
-- deployments, whose days have a frequency of 0 too).
create temporary table fact_days on commit drop as
with recomputed as (
    select r.family, r.scope_type, r.scope_id, m.service_id
    from recomputed_scopes r join scope_services m on (m.scope_type, m.scope_id) = (r.scope_type, r.scope_id)
    union all
    select r.family, 'client', '', v.service_id
    from recomputed_scopes r, (select id as service_id from live_services union all select null) v
    where r.scope_type = 'client'
), days as (
    select s.family, s.service_id, f.day
    from (select distinct family, service_id from recomputed) s
    cross join lateral (
        select d.finished_on as day from core.deployments d
        where s.family = 'deployments' and d.environment_tier = 'production'
          and (d.client_id, d.service_id) = ((select core.etl_client_id()), s.service_id)
        union
        select l.deployed_on from core.deployment_changes l
        where s.family = 'delivery' and l.exclusion_reason is null
          and (l.client_id, l.service_id) = ((select core.etl_client_id()), s.service_id)
        union
        select i.resolved_on from core.incidents i
        where s.family = 'recovery' and i.client_id = (select core.etl_client_id())
          and (i.service_id = s.service_id or i.service_id is null and s.service_id is null) and i.resolved_on is not null
    ) f
)
select distinct r.family, r.scope_type, r.scope_id, d.day
from recomputed r
join days d on d.family = r.family and d.service_id is not distinct from r.service_id;

create temporary table dora_cells on commit drop as
with wanted as (
    -- of moved days
    select m.family, g.grain, m.scope_type, m.scope_id,
           case g.grain when 'day' then m.day when 'week' then date_trunc('week', m.day)::date
                        else date_trunc('month', m.day)::date end as period_start
    from moved_days m
    join family_grains g on g.family = m.family and g.grain in ('day', 'week', 'month')
    union
    select m.family, g.grain, m.scope_type, m.scope_id, e.end_day - g.days + 1
    from moved_days m
    join family_grains g on g.family = m.family and g.days > 0
    join rolling_ends e
      on e.is_client = (m.scope_type = 'client') and e.end_day between m.day and m.day + g.days - 1
     and (e.is_latest or g.has_past_windows)
    union
    -- of periods that were running at the last run, or began since; all of them for scopes that are computed anew
    select family, 'day', scope_type, scope_id, day from fact_days
    union
    select d.family, g.grain, d.scope_type, d.scope_id, p::date
    from scope_days d
    cross join dora_settings s
    left join recomputed_scopes r on (r.scope_type, r.scope_id, r.family) = (d.scope_type, d.scope_id, d.family)
    join family_grains g on g.family = d.family and g.grain in ('day', 'week', 'month')
    cross join lateral generate_series(
        date_trunc(g.grain, case when r.family is null then s.computed_through
                                 when d.scope_type = 'client' or g.grain = 'month' then d.first_day
                                 else greatest(d.first_day, s.today - 400) end),
        s.today, ('1 ' || g.grain)::interval) p
    where case when r.family is null then s.computed_through < s.today
               else g.grain <> 'day' or (d.scope_type, d.family) = ('client', 'deployments') end
    union
    select d.family, g.grain, d.scope_type, d.scope_id, e.end_day - g.days + 1
    from scope_days d
    cross join dora_settings s
    left join recomputed_scopes r on (r.scope_type, r.scope_id, r.family) = (d.scope_type, d.scope_id, d.family)
    join family_grains g on g.family = d.family and g.days > 0
    join rolling_ends e
      on e.is_client = (d.scope_type = 'client') and (e.is_latest or g.has_past_windows)
     and case when r.family is null then e.end_day >= s.computed_through or e.is_compared else e.end_day >= d.first_day end
    where r.family is not null or s.computed_through < s.today
)
-- has_stages: of a lead time, its stages too (which have no past windows). has_reasons: where nothing was counted, the number
-- is NULL, with the reason; elsewhere there is no number then.
select
    (row_number() over ())::integer as cell_id, w.family, w.grain, d.scope_no, w.scope_type, w.scope_id, w.period_start,
    e.period_end, e.period_end - 1 as calculation_date,
    e.period_end > s.today + (w.grain like 'rolling%')::integer as is_running, d.kind_day, d.success_day,
    least(e.period_end, s.today + 1) as until_day,
    w.grain in ('week', 'month')
        or w.grain in ('rolling_30d', 'rolling_90d')
           and exists (select from rolling_ends r
                       where r.is_latest and r.is_client = (w.scope_type = 'client') and r.end_day = e.period_end - 1)
        as has_stages,
    w.scope_type = 'client' and w.grain <> 'day' as has_reasons
from wanted w
cross join dora_settings s
join scope_days d on (d.scope_type, d.scope_id, d.family) = (w.scope_type, w.scope_id, w.family)
cross join lateral (
    select case w.grain when 'day' then w.period_start + 1 when 'week' then w.period_start + 7
                when 'month' then (w.period_start + interval '1 month')::date
                else w.period_start + split_part(rtrim(w.grain, 'd'), '_', 2)::integer end as period_end
) e
where e.period_end > d.first_day and w.period_start <= s.today
  and (w.scope_type = 'client' or w.grain not in ('day', 'week')
       or e.period_end > s.today - case w.grain when 'day' then 91 when 'week' then 400 end);
analyze dora_cells (cell_id, family, grain, scope_no);

-- Which scopes with cells a service's facts count in (the client, and what no service has, apart); and between which days.
create temporary table counted_services on commit drop as
select c.family, c.scope_no, m.service_id
from (select distinct family, scope_no, scope_type, scope_id from dora_cells) c
join scope_services m on (m.scope_type, m.scope_id) = (c.scope_type, c.scope_id);
analyze counted_services;
create temporary table counted_days on commit drop as
select c.family, min(c.period_start) as from_day, max(c.until_day) as until_day,
       min(c.period_start)::timestamp at time zone min(s.time_zone) - interval '1 day' as from_at
from dora_cells c, dora_settings s group by c.family;

create temporary table dora_values (
    metric_type text, cell_id integer, sample_size bigint, numerator bigint, denominator bigint,
    metric_value double precision, percentiles double precision[]) on commit drop;
