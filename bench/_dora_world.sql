-- The world of `./pulse bench dora`: rows of the typed source tables, as the table place says (_dora_place.sql).
-- A repository's change n is one commit of main at position n; deployment n delivers change 5 n; incident n follows
-- deployment 4 n - 1. No statement reads what another one wrote, so several may run in parallel.

insert into core.pull_requests (
    client_id, integration_id, id, repository_id, number, title, url, state, author_login, author_is_bot, base_branch,
    head_branch, created_at, updated_at, ready_at, first_authored_at, first_committed_at, first_review_at, approved_at,
    merged_at, closed_at, merge_commit_sha, additions, deletions, changed_files, commit_count, review_count,
    comment_count, reverts_number)
select
    p.client_id, p.github_id, t.id, p.repository_id, n, pg_temp.title(p, n, t.kind, t.luck),
    'https://github.com/bench-' || p.client_id || '/' || p.name || '/pull/' || n, 'merged',
    case when t.bot then 'renovate[bot]' else 'dev-' || 1 + (t.luck * 30)::integer end, t.bot, 'main', 'branch-' || n,
    to_timestamp(t.merged - t.open), to_timestamp(t.merged), to_timestamp(t.merged - t.open),
    to_timestamp(t.merged - t.open - t.coding), to_timestamp(t.merged - t.open - t.coding),
    case when t.reviewed then to_timestamp(t.merged - t.open * (0.3 + 0.6 * t.luck)) end,
    case when t.reviewed then to_timestamp(t.merged - t.open * 0.3 * t.luck) end,
    to_timestamp(t.merged), to_timestamp(t.merged), pg_temp.sha(t.id),
    1 + (300 * t.luck ^ 2)::integer, (120 * t.luck ^ 3)::integer, 1 + (8 * t.luck)::integer, 1 + (4 * t.luck)::integer,
    t.reviewed::integer, (6 * t.luck)::integer,
    case when t.kind < 0.02 then nullif(greatest(n - 1 - (8 * t.luck)::bigint, 0), 0) end
from place p
cross join lateral generate_series(p.low + 1, p.high) n
cross join lateral (
    select pg_temp.id(p.repository_id, n) as id, pg_temp.merged(p, n) as merged,
           pg_temp.chance(pg_temp.id(p.repository_id, n), 1) as kind,
           pg_temp.chance(pg_temp.id(p.repository_id, n), 2) as luck,
           pg_temp.chance(pg_temp.id(p.repository_id, n), 3) < 0.03 as bot,
           pg_temp.chance(pg_temp.id(p.repository_id, n), 4) < 0.9 as reviewed,
           1800 + 259200 * pg_temp.chance(pg_temp.id(p.repository_id, n), 5) ^ 3 as open,
           600 + 172800 * pg_temp.chance(pg_temp.id(p.repository_id, n), 6) ^ 3 as coding
    offset 0
) t
order by p.repository_id, n;

insert into core.commits (
    client_id, integration_id, repository_id, sha, parent_shas, position, is_first_parent, authored_at, committed_at, headline)
select
    p.client_id, p.github_id, p.repository_id, pg_temp.sha(pg_temp.id(p.repository_id, n)),
    case when n > 1 then array[pg_temp.sha(pg_temp.id(p.repository_id, n - 1))] else '{}' end, n, true,
    to_timestamp(t.merged), to_timestamp(t.merged), 'Change ' || n
from place p
cross join lateral generate_series(p.low + 1, p.high) n
cross join lateral (select pg_temp.merged(p, n) as merged offset 0) t
order by p.repository_id, n;

-- Nine in ten changes have a review; one in ten reviews requests changes.
insert into core.reviews (
    client_id, integration_id, pull_request_id, id, author_login, author_is_bot, state, submitted_at, comment_count)
select
    p.client_id, p.github_id, t.id, t.id, 'reviewer-' || n % 7, false,
    case when t.asks < 0.1 then 'CHANGES_REQUESTED' else 'APPROVED' end, to_timestamp(t.merged - 600), 1
from place p
cross join lateral generate_series(p.low + 1, p.high) n
cross join lateral (
    select pg_temp.id(p.repository_id, n) as id, pg_temp.merged(p, n) as merged,
           pg_temp.chance(pg_temp.id(p.repository_id, n), 7) as asks,
           pg_temp.chance(pg_temp.id(p.repository_id, n), 4) < 0.9 as reviewed
    offset 0
) t
where t.reviewed
order by p.repository_id, n;

-- One in ten failed. One in a hundred goes back to an older commit, soon after its predecessor.
insert into core.github_deployments (
    client_id, integration_id, id, repository_id, environment, sha, ref_name, state, url, creator_login, created_at,
    updated_at, first_success_at, first_failure_at)
select
    p.client_id, p.github_id, t.id, p.repository_id, 'production',
    pg_temp.sha(pg_temp.id(p.repository_id, 5 * case when t.back then n - 2 else n end)), 'main',
    case when t.failed then 'failure' else 'success' end, 'https://ci.example/deployments/' || t.id, 'deployer',
    to_timestamp(t.finished - 60), to_timestamp(t.finished),
    case when not t.failed then to_timestamp(t.finished) end, case when t.failed then to_timestamp(t.finished) end
from place p
cross join lateral generate_series(p.low / 5 + 1, p.high / 5) n
cross join lateral (
    select x.*, case when x.back then x.previous + least(3600, 0.5 * p.step) + 60 else x.own end as finished
    from (
        select pg_temp.id(p.repository_id, n) as id, pg_temp.deployed(p, n) as own,
               pg_temp.deployed(p, n - 1) as previous,
               n > p.low / 5 + 2 and pg_temp.chance(pg_temp.id(p.repository_id, n), 21) < 0.01 as back,
               pg_temp.chance(pg_temp.id(p.repository_id, n), 22) < 0.1 as failed
        offset 0
    ) x
) t
order by p.repository_id, n;

-- One in four names the deployment's address, one in twenty its commit. 95 % are resolved, if there was time: started, then
-- done. One in thirty was done, reopened, and done again.
with issues as (
    insert into core.issues (
        client_id, integration_id, id, project_id, key, url, issue_type, summary, description, status, status_category,
        priority, resolution, components, created_at, updated_at, resolution_at)
    select
        p.client_id, p.jira_id, t.id, p.client_id, t.key, 'https://bench.atlassian.net/browse/' || t.key, 'Incident',
        p.name || ' answers with errors',
        case when t.luck < 0.25 then 'Errors since https://ci.example/deployments/' || t.deployment
             when t.luck < 0.30 then 'Errors since commit ' || pg_temp.sha(pg_temp.id(p.repository_id, 5 * (4 * n - 1)))
             else 'The alert was raised by the monitoring.' end,
        case when t.resolved then 'Done' else 'In Progress' end, case when t.resolved then 'done' else 'indeterminate' end,
        case when t.luck < 0.5 then 'High' else 'Medium' end, case when t.resolved then 'Done' end, array[p.name],
        to_timestamp(t.created), to_timestamp(case when t.resolved then t.done else t.created end),
        case when t.resolved then to_timestamp(t.done) end
    from place p
    cross join lateral generate_series(p.low / 20 + 1, p.high / 20) n
    cross join lateral (
        select x.*, x.created + x.takes as done, x.closes and x.created + x.takes < p.until_epoch as resolved
        from (
            select pg_temp.id(p.repository_id, n) as id, pg_temp.incident_key(p.r, n) as key,
                   pg_temp.id(p.repository_id, 4 * n - 1) as deployment,
                   pg_temp.chance(pg_temp.id(p.repository_id, n), 30) as luck,
                   pg_temp.deployed(p, 4 * n - 1)
                       + least(86400, 1.5 * p.step) * pg_temp.chance(pg_temp.id(p.repository_id, n), 31) as created,
                   1800 + 144000 * pg_temp.chance(pg_temp.id(p.repository_id, n), 32) ^ 3 as takes,
                   pg_temp.chance(pg_temp.id(p.repository_id, n), 33) < 0.95 as closes
            offset 0
        ) x
    ) t
    order by p.repository_id, n
    returning client_id, integration_id, id, created_at, updated_at, resolution_at
)
insert into core.issue_changes (
    client_id, integration_id, issue_id, history_id, item_index, field, field_id, from_id, from_text, to_id, to_text,
    created_at)
select i.client_id, i.integration_id, i.id, i.id * 10 + s.step, 0, 'status', 'status', s.from_id, s.from_text, s.to_id,
       s.to_text, i.created_at + (i.updated_at - i.created_at) * s.share
from issues i
join (values (1, '1', 'To Do', '2', 'In Progress', 0.1, false, false), (2, '2', 'In Progress', '3', 'Done', 0.4, true, true),
             (3, '3', 'Done', '2', 'In Progress', 0.5, true, true), (4, '2', 'In Progress', '3', 'Done', 1.0, true, false)
     ) s (step, from_id, from_text, to_id, to_text, share, ends, again)
  on (i.resolution_at is not null or not s.ends) and (not s.again or pg_temp.chance(i.id, 34) < 0.03);

-- One in twenty is linked to a story that changes of its repository name.
insert into core.issue_links (client_id, integration_id, issue_id, id, link_type, direction, other_key)
select p.client_id, p.jira_id, t.id, t.id, 'Relates', 'outward', 'APP-' || p.r * 100000 + 5 * (4 * n - 1) / 12
from place p
cross join lateral generate_series(p.low / 20 + 1, p.high / 20) n
cross join lateral (select pg_temp.id(p.repository_id, n) as id) t
where pg_temp.chance(t.id, 35) < 0.05
order by t.id;
