-- One row per question about the whole installation: the answer in words. Of the last 24 hours, where nothing else is said.
--
-- The lag is that of the server that answers: how long ago the last transaction was replayed that is not the newest received.
select null::integer as client_id, r.topic, r.sort_order, r.question, r.term, r.answer, r.note, r.is_alert
from (
    select count(*) as clients, count(*) filter (where unread is not null) as late, coalesce(sum(runs), 0) as runs,
           coalesce(sum(failed), 0) as failed, coalesce(sum(deferred), 0) as deferred, coalesce(sum(rows_read), 0) as rows_read,
           coalesce(sum(rows_rejected), 0) as rejected, count(*) filter (where rows_rejected > 0) as rejecting,
           coalesce(sum(failing_checks), 0) as failing, count(*) filter (where failing_checks > 0) as checked,
           min(budget_remaining) as budget, max(age_hours) as oldest, coalesce(sum(api_calls), 0) as calls,
           (array_agg(client_name order by budget_remaining))[1] as tightest
    from report.operations_clients
) o
cross join (
    select case when not pg_is_in_recovery() or pg_last_wal_receive_lsn() = pg_last_wal_replay_lsn() then 0
                else extract(epoch from clock_timestamp() - pg_last_xact_replay_timestamp()) end::double precision as seconds
) lag
cross join lateral (
    values
        ('late', 1, 'Whose data is late', 'clients with an unread source', o.late || ' of ' || o.clients,
         case when o.oldest is null then 'nothing was read yet' else 'the oldest data was read ' || core.display_text('hours', o.oldest) || ' ago' end, o.late > 0),
        ('runs', 2, 'How the runs went', 'failed tasks', o.failed || ' of ' || o.runs,
         case when o.runs = 0 then 'no task ran: is the scheduler up?' else o.deferred || ' waited for a budget; ' || to_char(o.rows_read, 'FM999,999,999,990') || ' rows read' end,
         o.failed > 0 or o.runs = 0),
        ('rejected', 3, 'What could not be read', 'rejected records', to_char(o.rejected, 'FM999,999,990'),
         case when o.rejected = 0 then 'every record was read' else 'of ' || o.rejecting || ' clients; replay_rejects tries them again' end, o.rejected > 0),
        ('checks', 4, 'Which numbers are in doubt', 'failing quality checks', o.failing::text,
         case when o.failing = 0 then 'all checks pass' else 'of ' || o.checked || ' clients' end, o.failing > 0),
        ('budget', 5, 'What is left to ask', 'smallest API budget', coalesce(to_char(o.budget, 'FM999,999,990'), '—'),
         to_char(o.calls, 'FM999,999,990') || ' calls' || coalesce('; the smallest is that of ' || o.tightest, ''), coalesce(o.budget < 100, false)),
        ('lag', 6, 'How far dashboards lag', 'replica behind primary', case when lag.seconds < 1 then 'under 1 s' else core.display_text('hours', lag.seconds / 3600) end,
         case when pg_is_in_recovery() then 'the replica answers' else 'the primary answers: there is no replica to lag' end, lag.seconds > 60)
) r (topic, sort_order, question, term, answer, note, is_alert);
