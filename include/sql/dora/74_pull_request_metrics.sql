-- dora_values of the family pull_requests: size, review depth, rework cycles, unreviewed and reopened pull requests by cell,
-- from core.changes by the day of the merge. Bots' are left out where the client leaves them out.
with counted as (
    select c.cell_id, v.*
    from dora_cells c
    cross join lateral (
        select count(*) as n,
               percentile_cont(array[0.5, 0.75, 0.9]) within group (order by x.additions + x.deletions) as size,
               percentile_cont(array[0.5, 0.75, 0.9]) within group (order by x.review_count + x.comment_count) as depth,
               sum(x.changes_requested_count) as cycles,
               count(*) filter (where not x.is_reviewed) as unreviewed, count(*) filter (where x.reopened_count > 0) as reopened
        from core.changes x
        where x.client_id = (select core.etl_client_id()) and x.merged_on >= c.period_start and x.merged_on < c.period_end
          and not (x.is_bot and (select exclude_bots from dora_settings))
    ) v
    where c.family = 'pull_requests' and c.scope_type = 'client'
    union all
    select c.cell_id, v.*
    from dora_cells c
    cross join lateral (
        select count(*) as n,
               percentile_cont(array[0.5, 0.75, 0.9]) within group (order by x.additions + x.deletions) as size,
               percentile_cont(array[0.5, 0.75, 0.9]) within group (order by x.review_count + x.comment_count) as depth,
               sum(x.changes_requested_count) as cycles,
               count(*) filter (where not x.is_reviewed) as unreviewed, count(*) filter (where x.reopened_count > 0) as reopened
        from scope_services m
        join core.changes x
          on x.client_id = (select core.etl_client_id()) and x.service_id = m.service_id
         and x.merged_on >= c.period_start and x.merged_on < c.period_end
         and not (x.is_bot and (select exclude_bots from dora_settings))
        where (m.scope_type, m.scope_id) = (c.scope_type, c.scope_id)
    ) v
    where c.family = 'pull_requests' and c.scope_type <> 'client' and v.n > 0
)
insert into dora_values
select m.metric_type, c.cell_id, c.n, m.numerator, m.denominator, m.value, m.p
from counted c
cross join lateral (
    values ('pull_request_size', null::bigint, null::bigint, c.size[1], c.size), ('review_depth', null, null, c.depth[1], c.depth),
           ('rework_cycles', c.cycles, null, c.cycles / nullif(c.n, 0)::double precision, null),
           ('merged_without_review', c.unreviewed, c.n, c.unreviewed / nullif(c.n, 0)::double precision, null),
           ('reopened_pull_requests', c.reopened, c.n, c.reopened / nullif(c.n, 0)::double precision, null)
) m (metric_type, numerator, denominator, value, p);
