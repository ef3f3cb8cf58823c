-- The clients of `./pulse bench dora`, with what they declare and what does not grow: integrations, repositories, a Jira
-- project, its statuses, and the runs that fetched the data. Run by a superuser.

insert into core.clients (id, slug, name, time_zone) overriding system value
select c, 'bench_' || c, 'Bench ' || c, (array['UTC', 'Europe/Berlin', 'America/New_York'])[1 + c % 3]
from generate_series(1, current_setting('bench.clients')::integer) c;

insert into core.integrations (client_id, id, integration_type, name, base_url, connection_id) overriding system value
select c, 2 * c - 1, 'github', 'github', 'https://api.github.com', 'github__bench_' || c
from generate_series(1, current_setting('bench.clients')::integer) c
union all
select c, 2 * c, 'jira', 'jira', 'https://bench.atlassian.net', 'jira__bench_' || c
from generate_series(1, current_setting('bench.clients')::integer) c;

select setval(pg_get_serial_sequence('core.clients', 'id'), max(client_id)),
       setval(pg_get_serial_sequence('core.integrations', 'id'), max(id)) from core.integrations;

insert into core.repositories (client_id, integration_id, id, node_id, full_name, default_branch, url, pushed_at)
select client_id, github_id, repository_id, 'R_' || repository_id, 'bench-' || client_id || '/' || name, 'main',
       'https://github.com/bench-' || client_id || '/' || name, to_timestamp(until_epoch)
from place;

insert into core.projects (client_id, integration_id, id, key, name, url)
select c, 2 * c, c, 'OPS', 'Operations', 'https://bench.atlassian.net/browse/OPS'
from generate_series(1, current_setting('bench.clients')::integer) c;

insert into core.issue_statuses (client_id, integration_id, id, name, category)
select c, 2 * c, s.id, s.name, s.category
from generate_series(1, current_setting('bench.clients')::integer) c
cross join (values ('1', 'To Do', 'new'), ('2', 'In Progress', 'indeterminate'), ('3', 'Done', 'done')) s (id, name, category);

insert into core.etl_runs (client_id, dag_run_id, task_id, integration_id, state, rows_read, rows_written, started_at,
                           finished_at)
select i.client_id, 'run-' || h, 'extract', i.id, 'success', 100, 20, hour, hour + interval '1 minute'
from core.integrations i
cross join generate_series(1, 1000) h
cross join lateral (
    select to_timestamp(current_setting('bench.until')::double precision) - h * interval '1 hour' as hour) t;
