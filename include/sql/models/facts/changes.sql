-- Table core.changes: what was merged and can be delivered by a deployment.
-- Grain: one row per pull request merged into a production branch (in a monorepo one per service that it touches), per direct
-- push where the client counts those, and per pull request that names its service instead of a repository.
-- Per: id
-- A change bears the id of its pull request, and the suffix of the part of the monorepo; a part that has gone keeps its
-- service until the end of the stage.
select q.change_id || substr(v.id, length(x.prefix || '-repo:' || v.integration_id || ':' || v.repository_id) + 1) as id
from touched_pull_requests q
cross join lateral (
    select p.repository_id from core.pull_requests p
    where (p.integration_id, p.id) = (q.integration_id, q.id)
    offset 0
) p
join core.services v on (v.integration_id, v.repository_id) = (q.integration_id, p.repository_id)
join sources x on x.integration_id = v.integration_id
union
select q.change_id
from touched_pull_requests q
join sources x on x.integration_id = q.integration_id
where starts_with(q.change_id, x.prefix || ':')
union
select s.prefix || '-commit:' || p.integration_id || ':' || p.repository_id || ':' || p.sha
from touched_pushes p
join sources s on s.integration_id = p.integration_id
;
with pulls as (
    select q.change_id, p.*, p.first_review_at as answered_at, v.full_name, v.prefix, v.id as repository_service_id,
           v.has_parts, v.by_time, arrived.position as arrived_at, arrived.carried_by,
           case when arrived.id is not null then p.base_branch end as merged_into
    from touched_pull_requests q
    join core.pull_requests p on (p.integration_id, p.id) = (q.integration_id, q.id)
    join live_services v
      on (v.integration_id, v.repository_id) = (p.integration_id, p.repository_id) and v.path_pattern is null
    left join arrived_pull_requests arrived on (arrived.integration_id, arrived.id) = (p.integration_id, p.id)
    where p.merged_at is not null and p.deleted_at is null and (p.base_branch ~* v.branches or arrived.id is not null)
), parts as (
    -- Of a monorepo: the parts that it touches, and the repository's own service when it touches anything else.
    select p.*, p.repository_service_id as service_id, '' as suffix, p.integration_id as history_integration_id,
           p.repository_id as history_repository_id, null as path_pattern
    from pulls p
    where not p.has_parts
       or not exists (select from core.pull_request_files f
                      where (f.integration_id, f.pull_request_id) = (p.integration_id, p.id))
       or exists (
           select from core.pull_request_files f
           where (f.integration_id, f.pull_request_id) = (p.integration_id, p.id)
             and not exists (
                 select from live_services v
                 where (v.integration_id, v.repository_id) = (p.integration_id, p.repository_id)
                   and f.path ~* v.path_pattern))
    union all
    select p.*, v.id, v.suffix, p.integration_id, p.repository_id, v.path_pattern
    from pulls p
    join live_services v
      on (v.integration_id, v.repository_id) = (p.integration_id, p.repository_id) and v.path_pattern is not null
    where p.has_parts
      and exists (select from core.pull_request_files f
                  where (f.integration_id, f.pull_request_id) = (p.integration_id, p.id) and f.path ~* v.path_pattern)
    union all
    -- Without a repository: of the service that it names, in whose repository its commit may be.
    -- Its reviews are not known, only when the first one was.
    select q.change_id, p.*, least(p.first_review_at, p.approved_at), v.full_name, v.prefix, null, false, v.by_time, null,
           null, null, v.id, '', v.integration_id, v.repository_id, null
    from touched_pull_requests q
    join core.pull_requests p on (p.integration_id, p.id) = (q.integration_id, q.id)
    cross join lateral (
        select * from live_services v
        where lower(v.name) = p.service_key order by v.repository_id nulls last, v.id limit 1
    ) v
    where p.repository_id is null and p.merged_at is not null and p.deleted_at is null
), merged as (
    select
        p.change_id || p.suffix as id, p.service_id, p.integration_id, p.history_repository_id as repository_id,
        case when p.repository_id is not null then p.id end as pull_request_id, p.number, p.title, p.url,
        p.author_login as author,
        (p.author_is_bot or coalesce(p.author_login ~* s.bots, false)) and not coalesce(p.author_login ~* s.agents, false)
            as is_bot,
        p.reverts_number is not null or p.reverts_sha is not null or p.title ~* '^revert\M' as is_revert,
        -- The pull request of that number; or that was merged as the commit, or contains it; or a push, where those count.
        coalesce(
            case when p.reverts_number is not null or p.reverts_sha is not null then (
                select p.prefix || '-pr:' || u.integration_id || ':' || u.id
                       || case when u.repository_id = p.repository_id then p.suffix else '' end
                from (
                    select x.*, 1 as rank from core.pull_requests x
                    where (x.integration_id, x.number, x.repository_id)
                        = (p.integration_id, p.reverts_number, p.repository_id)
                      and p.reverts_repository is null
                    union all
                    select x.*, 1
                    from live_services v
                    join core.pull_requests x
                      on (x.integration_id, x.number, x.repository_id)
                       = (v.integration_id, p.reverts_number, v.repository_id)
                    where v.integration_id = p.integration_id and v.full_key = p.reverts_repository
                      and v.path_pattern is null
                    union all
                    select x.*, 2 from core.pull_requests x
                    where (x.integration_id, x.merge_commit_sha, x.repository_id)
                        = (p.integration_id, p.reverts_sha, p.repository_id)
                    union all
                    select x.*, 3
                    from core.pull_request_commits k
                    join core.pull_requests x on (x.integration_id, x.id) = (k.integration_id, k.pull_request_id)
                    where (k.integration_id, k.sha) = (p.integration_id, p.reverts_sha)
                      and x.repository_id = p.repository_id
                ) u
                where u.merged_at is not null and u.deleted_at is null
                order by u.rank, u.id limit 1) end,
            case when s.direct_pushes
                then p.prefix || '-commit:' || p.integration_id || ':' || p.repository_id || ':' || p.reverts_sha end)
            as reverts_change_id,
        p.title ~* s.hotfix_pattern or coalesce(p.head_branch ~* s.hotfix_pattern, false) as is_hotfix,
        case s.commit_date when 'committed' then coalesce(p.first_committed_at, p.first_authored_at)
                           else p.first_authored_at end as first_commit_at,
        coalesce(p.ready_at, p.created_at) as opened_at,
        case when reviews.began_by_machine or comments.began_by_machine
            then coalesce(
                least(reviews.answered_in_time_at, comments.answered_in_time_at),
                least(reviews.answered_at, comments.answered_at))
            else p.answered_at end as first_review_at,
        case when reviews.n > 0 then reviews.approved_at else p.approved_at end as approved_at, p.merged_at,
        p.merge_commit_sha,
        case when p.merged_into is not null then p.arrived_at
             when p.by_time then extract(epoch from p.merged_at)::bigint else c.position end as merge_position,
        p.merged_into, p.prefix || '-pr:' || p.integration_id || ':' || p.carried_by || p.suffix as carried_by,
        p.merged_into is null and exists (
            select from core.carried_pull_requests c
            where (c.integration_id, c.carried_by) = (p.integration_id, p.id) and c.came_first) as carries_others,
        coalesce(part.additions, p.additions) as additions, coalesce(part.deletions, p.deletions) as deletions,
        coalesce(part.files, p.changed_files) as changed_files, p.commit_count, p.review_count, p.head_branch, p.comment_count,
        coalesce(reviews.changes_requested, 0) as changes_requested_count,
        coalesce(events.reopened, 0) as reopened_count,
        coalesce(reviews.by_another, p.repository_id is null and p.answered_at <= p.merged_at, false) as is_reviewed,
        case when p.closing_issue_numbers <> '{}'
            then array(select p.full_name || '#' || n from unnest(p.closing_issue_numbers) n) end as closed_issues,
        array(select unnest(p.assisted_by) union select unnest(c.assisted_by) order by 1) as assisted_by,
        coalesce(p.author_login ~* s.agents, false) as by_agent
    from parts p
    cross join settings s
    left join lateral (
        -- what it changed in a part, or outside of all parts
        select least(sum(f.additions), 2147483647)::integer as additions,
               least(sum(f.deletions), 2147483647)::integer as deletions, count(*)::integer as files
        from core.pull_request_files f
        where p.has_parts and (f.integration_id, f.pull_request_id) = (p.integration_id, p.id)
          and case when p.path_pattern is not null then f.path ~* p.path_pattern
                   else not exists (
                       select from live_services v
                       where (v.integration_id, v.repository_id) = (p.integration_id, p.repository_id)
                         and f.path ~* v.path_pattern) end
    ) part on part.files > 0
    left join lateral (
        select m.position, m.assisted_by from core.commits m
        where (m.integration_id, m.repository_id, m.sha)
            = (p.history_integration_id, p.history_repository_id, p.merge_commit_sha)
        offset 0
    ) c on true
    left join lateral (
        -- A comment alone, which first_review_at counts too, is not a review.
        select count(*) as n,
               count(*) filter (where v.state = 'CHANGES_REQUESTED' and v.submitted_at <= p.merged_at) as changes_requested,
               bool_or(v.submitted_at <= p.merged_at) filter (where k.is_another) as by_another,
               min(v.submitted_at) filter (where k.is_another and v.state = 'APPROVED') as approved_at,
               -- The first answer is known without those that the forge calls bots; others may still be machines.
               bool_or(v.submitted_at = p.answered_at and k.is_machine) as began_by_machine,
               min(v.submitted_at) filter (
                   where k.is_another and v.submitted_at >= p.ready_at and v.submitted_at <= p.merged_at)
                   as answered_in_time_at,
               min(v.submitted_at) filter (where k.is_another) as answered_at
        from core.reviews v
        cross join lateral (
            select v.author_is_bot or coalesce(v.author_login ~* s.bots, false)
                       or coalesce(v.author_login ~* s.agents, false) as is_machine
        ) m
        cross join lateral (
            select m.is_machine, not m.is_machine and v.author_login is distinct from p.author_login as is_another
        ) k
        where (v.integration_id, v.pull_request_id) = (p.integration_id, p.id)
    ) reviews on true
    cross join lateral (
        select bool_or(c.at = p.answered_at and c.is_machine) as began_by_machine,
               min(c.at) filter (where not c.is_machine and c.at >= p.ready_at and c.at <= p.merged_at) as answered_in_time_at,
               min(c.at) filter (where not c.is_machine) as answered_at
        from (
            select x.at, coalesce(x.login ~* s.bots, false) or coalesce(x.login ~* s.agents, false) as is_machine
            from unnest(p.commenters, p.commented_at) x (login, at)
        ) c
    ) comments
    left join lateral (
        select count(*) as reopened from core.pull_request_events e
        where (e.integration_id, e.pull_request_id) = (p.integration_id, p.id) and e.event_type = 'Reopened'
    ) events on true
    union all
    -- A push is opened and merged at once.
    select
        c.prefix || '-commit:' || c.integration_id || ':' || c.repository_id || ':' || c.sha, c.service_id, c.integration_id,
        c.repository_id, null, null, c.headline, c.url, null, false, c.headline ~* '^revert\M', null,
        c.headline ~* s.hotfix_pattern,
        case s.commit_date when 'committed' then c.committed_at else coalesce(c.authored_at, c.committed_at) end,
        c.committed_at, null, null, c.committed_at, c.sha, c.position, null, null, false, 0, 0, 0, 1, 0, null, 0, 0, 0, false, null,
        c.assisted_by, false
    from direct_pushes c
    cross join settings s
), named as (
    -- keys such as OPS-12 in title and branch, and the issues that the pull request closes; keys of known projects in any case
    -- (of fix_my_ops-12 the longest known: MY_OPS, or OPS)
    select m.*,
           array(select k[1] from regexp_matches(m.title, '\m[A-Z][A-Za-z0-9_]*-?[0-9]+(?![A-Za-z0-9])', 'g') k
                 where length(k[1]) <= 120)
           || array(select k[1] from regexp_matches(
                        upper(m.head_branch), '(?<![A-Z0-9_])[A-Z][A-Z0-9]*-[0-9]+(?![A-Z0-9])', 'g') k
                    where length(k[1]) <= 120)
           || m.closed_issues
           || array(
               select known.key || '-' || k[2]
               from regexp_matches(
                   m.title || ' ' || coalesce(m.head_branch, ''),
                   '(?<![A-Za-z0-9])([A-Za-z][A-Za-z0-9_]*)-([0-9]{1,9})(?![A-Za-z0-9])', 'g') k
               cross join lateral string_to_array(upper(k[1]), '_') parts
               cross join lateral (
                   select array_to_string(parts[n:], '_') as key
                   from generate_series(1, cardinality(parts)) n
                   where array_to_string(parts[n:], '_') = any (s.project_keys)
                   order by n limit 1
               ) known
           ) as keys
    from merged m
    cross join settings s
    offset 0
)
select
    n.id, n.service_id, n.integration_id, n.repository_id, n.pull_request_id, n.number, n.title, n.url, n.author, n.is_bot,
    n.is_revert, n.reverts_change_id, n.is_hotfix, n.first_commit_at, n.opened_at, n.first_review_at, n.approved_at,
    n.merged_at, n.merge_commit_sha, n.merge_position, n.merged_into, n.carried_by, n.carries_others, n.additions, n.deletions, n.changed_files, n.commit_count,
    n.review_count, n.head_branch, n.comment_count, n.changes_requested_count, n.reopened_count, n.is_reviewed,
    n.assisted_by, case when n.by_agent then 'agent' when n.assisted_by <> '{}' then 'assistant' end as ai,
    (n.merged_at at time zone s.time_zone)::date as merged_on,
    core.elapsed_hours(n.first_commit_at, n.opened_at, s.working) as coding_hours,
    core.elapsed_hours(n.opened_at, n.first_review_at, s.working) as pickup_hours,
    core.elapsed_hours(n.first_review_at, n.merged_at, s.working) as review_hours,
    case when cardinality(n.keys) > 1 then array(select distinct unnest(n.keys) order by 1) else n.keys end as issue_keys
from named n
cross join settings s
