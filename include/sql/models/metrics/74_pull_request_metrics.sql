-- Statements
-- dora_values of the family pull_requests: size, review depth, rework cycles, unreviewed and reopened pull requests by cell,
-- from the changes that are pull requests, by the day of the merge. Bots' are left out where the client leaves them out.
create temporary table merged_pulls on commit drop as
with facts as materialized (
    select x.service_id, x.merged_on as day, (x.additions + x.deletions)::double precision as size,
           (x.review_count + x.comment_count)::double precision as depth, x.changes_requested_count as cycles,
           (not x.is_reviewed)::integer as unreviewed, (x.reopened_count > 0)::integer as reopened
    from core.changes x
    where x.client_id = (select core.etl_client_id()) and x.pull_request_id is not null
      and x.merged_at >= (select from_at from counted_days where family = 'pull_requests')
      and x.merged_on >= (select from_day from counted_days where family = 'pull_requests')
      and x.merged_on < (select until_day from counted_days where family = 'pull_requests')
      and not (x.is_bot and (select exclude_bots from dora_settings))
)
select 1 as scope_no, f.* from facts f
union all
select m.scope_no, f.* from facts f join counted_services m on m.family = 'pull_requests' and m.service_id = f.service_id
order by scope_no, day;
create index on merged_pulls (scope_no, day);
analyze merged_pulls (scope_no, day);

insert into dora_values
select m.metric_type, c.cell_id, v.n, m.numerator, m.denominator, m.value, m.p
from dora_cells c
cross join lateral (
    select count(*) as n, percentile_cont(array[0.5, 0.75, 0.9]) within group (order by x.size) as size,
           percentile_cont(array[0.5, 0.75, 0.9]) within group (order by x.depth) as depth, sum(x.cycles) as cycles,
           sum(x.unreviewed) as unreviewed, sum(x.reopened) as reopened
    from merged_pulls x
    where x.scope_no = c.scope_no and x.day >= c.period_start and x.day < c.period_end
) v
cross join lateral (
    values ('pull_request_size', null::bigint, null::bigint, v.size[1], v.size), ('review_depth', null, null, v.depth[1], v.depth),
           ('rework_cycles', v.cycles, null, v.cycles / nullif(v.n, 0)::double precision, null),
           ('merged_without_review', coalesce(v.unreviewed, 0), v.n, v.unreviewed / nullif(v.n, 0)::double precision, null),
           ('reopened_pull_requests', coalesce(v.reopened, 0), v.n, v.reopened / nullif(v.n, 0)::double precision, null)
) m (metric_type, numerator, denominator, value, p)
where c.family = 'pull_requests' and (c.has_reasons or v.n > 0);
