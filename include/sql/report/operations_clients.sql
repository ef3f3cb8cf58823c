-- One row per active client: how fresh its numbers are, how its last day went, and what is left of its budget.
--
-- The budget is the smallest that an upstream reported in the last day.
select
    c.id as client_id, c.name as client_name, c.slug, t.computed_through as counted_to,
    to_char(f.last_success_at at time zone 'UTC', 'YYYY-MM-DD HH24:MI') as last_read, core.hours_between(f.last_success_at, now()) as age_hours, f.unread,
    coalesce(r.runs, 0) as runs, coalesce(r.failed, 0) as failed, coalesce(r.deferred, 0) as deferred, coalesce(r.rows_read, 0) as rows_read,
    coalesce(r.rows_rejected, 0) as rows_rejected, coalesce(r.api_calls, 0) as api_calls, r.budget_remaining, coalesce(q.failing, 0) as failing_checks,
    q.messages as check_messages, to_char(p.published_at at time zone 'UTC', 'YYYY-MM-DD HH24:MI') as published,
    case when f.unread is not null then 1 when coalesce(q.failing, 0) > 0 then 2 when coalesce(r.rows_rejected, 0) > 0 then 3 else 4 end as attention_order
from core.clients c
left join core.dora_state t on t.client_id = c.id
left join lateral (
    select max(x.last_success_at) as last_success_at,
           string_agg(x.integration || ' ' || x.status_text, '; ' order by x.integration) filter (where x.status in ('failing', 'late'))
               as unread
    from report.freshness x where x.client_id = c.id
) f on true
left join lateral (
    select count(*) as runs, count(*) filter (where x.state = 'failed') as failed, count(*) filter (where x.state = 'deferred') as deferred,
           sum(x.rows_read)::bigint as rows_read, sum(x.rows_rejected)::bigint as rows_rejected, sum(x.api_calls)::bigint as api_calls,
           min(x.budget_remaining) as budget_remaining
    from core.etl_runs x where x.client_id = c.id and x.started_at > now() - interval '1 day'
) r on true
left join lateral (
    select count(*) as failing, string_agg(x.message, '; ' order by x.check_name, x.detail) as messages
    from core.quality_results x where x.client_id = c.id and x.status = 'fail'
) q on true
left join lateral (
    select max(x.published_at) as published_at from core.dora_publications x where x.client_id = c.id
) p on true
where c.active;
