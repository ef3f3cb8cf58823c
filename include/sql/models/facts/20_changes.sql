-- Statements
-- core.changes: one row a pull request merged into a production branch (in a monorepo: one a service that it touches), one a
-- direct push where the client counts those, and one a merged change of a custom source. core.change_references: the issues
-- it names. From the touched records only.
create temporary table wanted_changes on commit drop as
with touched as (
    select p.* from core.github_pull_requests p
    where (select is_full from dora_settings) and p.client_id = (select core.etl_client_id())
    union all
    select p.*
    from touched_pull_requests q
    join core.github_pull_requests p
      on (p.client_id, p.integration_id, p.id) = ((select core.etl_client_id()), q.integration_id, q.id)
), pulls as (
    select p.*, v.full_name, v.id as service_id, v.has_parts, v.by_time
    from touched p
    join live_services v
      on (v.integration_id, v.repository_id) = (p.integration_id, p.repository_id) and v.path_pattern is null
    where p.merged_at is not null and p.deleted_at is null and p.base_branch ~* v.branches
), parts as (
    -- Of a monorepo: the parts that it touches, and the repository's own service when it touches anything else.
    select p.*, f.in_service_id, f.suffix
    from pulls p
    cross join lateral (
        select p.service_id as in_service_id, '' as suffix
        where not p.has_parts
           or not exists (select from core.github_pull_request_files f
                          where (f.client_id, f.integration_id, f.pull_request_id) = (p.client_id, p.integration_id, p.id))
           or exists (select from core.github_pull_request_files f
                      where (f.client_id, f.integration_id, f.pull_request_id) = (p.client_id, p.integration_id, p.id)
                        and not exists (
                            select from live_services v
                            where (v.integration_id, v.repository_id) = (p.integration_id, p.repository_id)
                              and f.path ~* v.path_pattern))
        union all
        select v.id, v.suffix
        from live_services v
        where p.has_parts and (v.integration_id, v.repository_id) = (p.integration_id, p.repository_id)
          and v.path_pattern is not null
          and exists (select from core.github_pull_request_files f
                      where (f.client_id, f.integration_id, f.pull_request_id) = (p.client_id, p.integration_id, p.id)
                        and f.path ~* v.path_pattern)
    ) f
), rows as (
    select
        p.client_id,
        'gh-pr:' || p.integration_id || ':' || p.id || p.suffix as id,
        p.in_service_id as service_id, p.integration_id, p.repository_id, p.id as pull_request_id, p.number, p.title, p.url,
        p.author_login as author, p.author_is_bot as is_bot,
        p.reverts_number is not null or p.reverts_sha is not null or p.title ~* '^revert\M' as is_revert,
        -- the pull request of that number; or that was merged as the commit, or contains it; or a push, where those are changes
        coalesce(
            case when p.reverts_number is not null or p.reverts_sha is not null then (
                select 'gh-pr:' || u.integration_id || ':' || u.id || p.suffix
                from (
                    select x.*, 1 as rank from core.github_pull_requests x
                    where (x.client_id, x.integration_id, x.number, x.repository_id)
                        = (p.client_id, p.integration_id, p.reverts_number, p.repository_id)
                    union all
                    select x.*, 2 from core.github_pull_requests x
                    where (x.client_id, x.integration_id, x.merge_commit_sha, x.repository_id)
                        = (p.client_id, p.integration_id, p.reverts_sha, p.repository_id)
                    union all
                    select x.*, 3
                    from core.github_pull_request_commits k
                    join core.github_pull_requests x
                      on (x.client_id, x.integration_id, x.id) = (k.client_id, k.integration_id, k.pull_request_id)
                    where (k.client_id, k.integration_id, k.sha) = (p.client_id, p.integration_id, p.reverts_sha)
                      and x.repository_id = p.repository_id
                ) u
                where u.merged_at is not null and u.deleted_at is null
                order by u.rank, u.id limit 1) end,
            case when (select direct_pushes from dora_settings)
                then 'gh-commit:' || p.integration_id || ':' || p.repository_id || ':' || p.reverts_sha end) as reverts_change_id,
        p.title ~* (select hotfix_pattern from dora_settings) or p.head_branch ~* (select hotfix_pattern from dora_settings)
            as is_hotfix,
        case (select commit_date from dora_settings) when 'committed' then p.first_committed_at
             else p.first_authored_at end as first_commit_at,
        coalesce(p.ready_at, p.created_at) as opened_at, p.first_review_at, p.approved_at, p.merged_at,
        p.merge_commit_sha,
        case when p.by_time then extract(epoch from p.merged_at)::bigint else c.position end as merge_position,
        p.additions, p.deletions, p.changed_files, p.commit_count, p.review_count, p.head_branch, p.comment_count,
        coalesce(reviews.changes_requested, 0) as changes_requested_count, coalesce(events.reopened, 0) as reopened_count,
        coalesce(reviews.by_another, false) as is_reviewed,
        case when p.closing_issue_numbers = '{}' then null
             else array(select p.full_name || '#' || n from unnest(p.closing_issue_numbers) n) end as closed_issues
    from parts p
    left join lateral (
        select m.position from core.github_commits m
        where (m.client_id, m.integration_id, m.repository_id, m.sha)
            = ((select core.etl_client_id()), p.integration_id, p.repository_id, p.merge_commit_sha)
        offset 0
    ) c on true
    left join lateral (
        -- (a comment alone, which first_review_at counts too, is no review)
        select count(*) filter (where v.state = 'CHANGES_REQUESTED') as changes_requested,
               bool_or(not v.author_is_bot and v.author_login is distinct from p.author_login) as by_another
        from core.github_pull_request_reviews v
        where (v.client_id, v.integration_id, v.pull_request_id) = (p.client_id, p.integration_id, p.id)
          and v.submitted_at <= p.merged_at
    ) reviews on true
    left join lateral (
        select count(*) as reopened from core.github_pull_request_events e
        where (e.client_id, e.integration_id, e.pull_request_id) = (p.client_id, p.integration_id, p.id)
          and e.event_type = 'Reopened'
    ) events on true
    union all
    -- A push is opened and merged at once.
    select
        (select core.etl_client_id()), 'gh-commit:' || c.integration_id || ':' || c.repository_id || ':' || c.sha, c.service_id,
        c.integration_id, c.repository_id, null, null, c.headline, c.url, null, false, c.headline ~* '^revert\M', null,
        c.headline ~* s.hotfix_pattern,
        case s.commit_date when 'committed' then c.committed_at else coalesce(c.authored_at, c.committed_at) end,
        c.committed_at, null, null, c.committed_at, c.sha, c.position, 0, 0, 0, 1, 0, null, 0, 0, 0, false, null
    from wanted_pushes c
    cross join dora_settings s
    union all
    select
        c.client_id, 'custom:' || c.integration_id || ':' || c.id, v.id, c.integration_id, v.repository_id, null, null,
        c.title, c.url, c.author, false, c.title ~* '^revert\M', null, c.title ~* s.hotfix_pattern, c.first_commit_at,
        c.opened_at, least(c.first_review_at, c.approved_at), c.approved_at, c.merged_at, c.merge_sha,
        -- Without a repository there is no commit graph: the order of merges stands for it.
        case when v.by_time then extract(epoch from c.merged_at)::bigint else g.position end,
        0, 0, 0, 0, 0, null, 0, 0, 0, coalesce(least(c.first_review_at, c.approved_at) <= c.merged_at, false), null
    from touched_custom q
    join core.custom_changes c on (c.client_id, c.integration_id, c.id) = ((select core.etl_client_id()), q.integration_id, q.id)
    cross join dora_settings s
    cross join lateral (
        select v.id, v.integration_id, v.repository_id, v.by_time from live_services v
        where lower(v.name) = lower(c.service) order by v.repository_id nulls last, v.id limit 1
    ) v
    left join core.github_commits g
      on (g.client_id, g.integration_id, g.repository_id, g.sha)
       = (c.client_id, v.integration_id, v.repository_id, c.merge_sha)
    where q.fact = 'custom_change' and c.deleted_at is null
)
select distinct on (r.id)
    r.*, (r.merged_at at time zone s.time_zone)::date as merged_on,
    core.elapsed_hours(r.first_commit_at, r.opened_at, s.working) as coding_hours,
    core.elapsed_hours(r.opened_at, r.first_review_at, s.working) as pickup_hours,
    core.elapsed_hours(r.first_review_at, r.merged_at, s.working) as review_hours,
    case when cardinality(named.keys) > 1 then array(select distinct unnest(named.keys) order by 1) else named.keys end
        as issue_keys
from rows r
cross join dora_settings s
cross join lateral (
    -- keys such as OPS-12 in title and branch, and the issues that the pull request closes (offset 0: computed once)
    select array(select (regexp_matches(r.title, '\m[A-Z][A-Za-z0-9_]*-?[0-9]+(?![A-Za-z0-9])', 'g'))[1])
        || array(select (regexp_matches(upper(r.head_branch), '(?<![A-Z0-9])[A-Z][A-Z0-9]*-[0-9]+(?![A-Z0-9])', 'g'))[1])
        || r.closed_issues as keys
    offset 0
) named
order by r.id;
create unique index on wanted_changes (id);
analyze wanted_changes (id);

create temporary table gone_changes on commit drop as
with touched as materialized (
    -- A pull request's change bears its id, and the part of the monorepo (a service may have gone, its row stays).
    select 'gh-pr:' || q.integration_id || ':' || q.id
               || substr(v.id, length('gh-repo:' || v.integration_id || ':' || v.repository_id) + 1) as id
    from touched_pull_requests q
    cross join lateral (
        select p.repository_id from core.github_pull_requests p
        where (p.client_id, p.integration_id, p.id) = ((select core.etl_client_id()), q.integration_id, q.id)
        offset 0
    ) p
    join core.services v
      on (v.client_id, v.integration_id, v.repository_id) = ((select core.etl_client_id()), q.integration_id, p.repository_id)
    where not (select is_full from dora_settings)
    union
    select 'gh-commit:' || integration_id || ':' || repository_id || ':' || sha from touched_pushes
    where not (select is_full from dora_settings)
    union
    select 'custom:' || q.integration_id || ':' || q.id from touched_custom q
    where q.fact = 'custom_change' and not (select is_full from dora_settings)
)
select t.id, t.service_id, t.merged_on, t.issue_keys
from touched q
join core.changes t on (t.client_id, t.id) = ((select core.etl_client_id()), q.id)
where not exists (select from wanted_changes w where w.id = t.id)
union all
select t.id, t.service_id, t.merged_on, t.issue_keys from core.changes t
where (select is_full from dora_settings) and t.client_id = (select core.etl_client_id())
  and not exists (select from wanted_changes w where w.id = t.id);
analyze gone_changes;

insert into moved select 'pull_requests', service_id, merged_on, id, 'removed' from gone_changes;

-- What the changes that are going have done: their deployments are counted and flagged again, and so are the incidents that
-- they, or changes that undid them, are named by.
insert into changed_links select id from gone_changes;
insert into relink_incidents
select i.incident_id
from (select id from gone_changes union select id from wanted_changes) w
join core.changes c on (c.client_id, c.id) = ((select core.etl_client_id()), w.id)
cross join lateral unnest(c.issue_keys) as named (issue_key)
join core.incident_references i
  on i.client_id = (select core.etl_client_id()) and i.kind in ('key', 'linked') and i.reference = named.issue_key
where not (select is_full from dora_settings);
insert into reflag_deployments
select l.deployment_id from gone_changes g
join core.deployment_changes l on (l.client_id, l.change_id) = ((select core.etl_client_id()), g.id);
insert into moved
select 'delivery', l.service_id, l.deployed_on, l.change_id, 'removed'
from gone_changes g
join core.deployment_changes l on (l.client_id, l.change_id) = ((select core.etl_client_id()), g.id)
where l.exclusion_reason is null;
delete from core.deployment_changes t using gone_changes g
where (t.client_id, t.change_id) = ((select core.etl_client_id()), g.id);
delete from core.change_references t
using (select g.id, unnest(g.issue_keys) as issue_key from gone_changes g) gone
where (t.client_id, t.issue_key, t.change_id) = ((select core.etl_client_id()), gone.issue_key, gone.id);
create temporary table changes_changed on commit drop as
select t as before, null::core.changes as after from gone_changes g join core.changes t on t.id = g.id;
delete from core.changes t using gone_changes g where (t.client_id, t.id) = ((select core.etl_client_id()), g.id);

-- What they named and name no more; what they name now and did not.
delete from core.change_references t
using (
    select c.id, named.issue_key
    from wanted_changes w
    join core.changes c on (c.client_id, c.id) = ((select core.etl_client_id()), w.id)
    cross join lateral unnest(c.issue_keys) as named (issue_key)
    where c.issue_keys <> w.issue_keys and named.issue_key <> all (w.issue_keys)
) gone
where (t.client_id, t.issue_key, t.change_id) = ((select core.etl_client_id()), gone.issue_key, gone.id);
insert into core.change_references (client_id, issue_key, change_id)
select (select core.etl_client_id()), named.issue_key, w.id
from wanted_changes w
left join core.changes c on (c.client_id, c.id) = ((select core.etl_client_id()), w.id)
cross join lateral unnest(w.issue_keys) as named (issue_key)
where c.id is null or c.issue_keys <> w.issue_keys and named.issue_key <> all (c.issue_keys);

create temporary table changed_changes (
    id text, is_new boolean, old_service_id text, service_id text, old_merged_on date, merged_on date, is_counted_anew boolean) on commit drop;
with merged as (
    merge into core.changes as t
    using wanted_changes as s on (t.client_id, t.id) = (s.client_id, s.id)
    when matched and row(t.service_id, t.number, t.title, t.url, t.author, t.is_bot, t.is_revert, t.reverts_change_id,
            t.is_hotfix, t.first_commit_at, t.opened_at, t.first_review_at, t.approved_at, t.merged_at, t.merge_commit_sha,
            t.merge_position, t.additions, t.deletions, t.changed_files, t.commit_count, t.review_count, t.head_branch,
            t.merged_on, t.comment_count, t.changes_requested_count, t.reopened_count, t.is_reviewed, t.coding_hours,
            t.pickup_hours, t.review_hours, t.repository_id, t.issue_keys)
        is distinct from row(s.service_id, s.number, s.title, s.url, s.author, s.is_bot, s.is_revert, s.reverts_change_id,
            s.is_hotfix, s.first_commit_at, s.opened_at, s.first_review_at, s.approved_at, s.merged_at, s.merge_commit_sha,
            s.merge_position, s.additions, s.deletions, s.changed_files, s.commit_count, s.review_count, s.head_branch,
            s.merged_on, s.comment_count, s.changes_requested_count, s.reopened_count, s.is_reviewed, s.coding_hours,
            s.pickup_hours, s.review_hours, s.repository_id, s.issue_keys)
    then update set
        service_id = s.service_id, repository_id = s.repository_id, number = s.number, title = s.title, url = s.url,
        author = s.author, is_bot = s.is_bot, is_revert = s.is_revert, reverts_change_id = s.reverts_change_id,
        is_hotfix = s.is_hotfix, first_commit_at = s.first_commit_at, opened_at = s.opened_at,
        first_review_at = s.first_review_at, approved_at = s.approved_at, merged_at = s.merged_at,
        merge_commit_sha = s.merge_commit_sha, merge_position = s.merge_position, additions = s.additions,
        deletions = s.deletions, changed_files = s.changed_files, commit_count = s.commit_count,
        review_count = s.review_count, head_branch = s.head_branch, merged_on = s.merged_on,
        comment_count = s.comment_count, changes_requested_count = s.changes_requested_count,
        reopened_count = s.reopened_count, is_reviewed = s.is_reviewed, coding_hours = s.coding_hours,
        pickup_hours = s.pickup_hours, review_hours = s.review_hours, issue_keys = s.issue_keys
    when not matched then insert
        (client_id, id, service_id, integration_id, repository_id, pull_request_id, number, title, url, author, is_bot,
         is_revert, reverts_change_id, is_hotfix, first_commit_at, opened_at, first_review_at, approved_at, merged_at,
         merge_commit_sha, merge_position, additions, deletions, changed_files, commit_count, review_count, head_branch,
         merged_on, comment_count, changes_requested_count, reopened_count, is_reviewed, coding_hours, pickup_hours,
         review_hours, issue_keys)
        values (s.client_id, s.id, s.service_id, s.integration_id, s.repository_id, s.pull_request_id, s.number, s.title,
                s.url, s.author, s.is_bot, s.is_revert, s.reverts_change_id, s.is_hotfix, s.first_commit_at, s.opened_at,
                s.first_review_at, s.approved_at, s.merged_at, s.merge_commit_sha, s.merge_position, s.additions,
                s.deletions, s.changed_files, s.commit_count, s.review_count, s.head_branch, s.merged_on, s.comment_count,
                s.changes_requested_count, s.reopened_count, s.is_reviewed, s.coding_hours, s.pickup_hours, s.review_hours,
                s.issue_keys)
    returning new.id, old.id is null as is_new, old.service_id as old_service_id, new.service_id,
              old.merged_on as old_merged_on, new.merged_on,
              row(old.merged_on, old.service_id, old.is_bot, old.additions, old.deletions, old.review_count, old.comment_count,
                  old.changes_requested_count, old.reopened_count, old.is_reviewed)
                  is distinct from row(new.merged_on, new.service_id, new.is_bot, new.additions, new.deletions,
                  new.review_count, new.comment_count, new.changes_requested_count, new.reopened_count, new.is_reviewed)
                  as is_counted_anew
)
-- (a run that computes everything for another reason than its data asks nobody what has changed)
insert into changed_changes
select id, is_new, old_service_id, service_id, old_merged_on, merged_on, is_counted_anew from merged
where (select reason = 'data' from dora_settings);
analyze changed_changes (id);

insert into moved
select 'pull_requests', old_service_id, old_merged_on, id, 'changed'
from changed_changes where is_counted_anew and not is_new
union all
select 'pull_requests', service_id, merged_on, id, case when is_new then 'added' else 'changed' end
from changed_changes where is_counted_anew;
insert into relink_changes select id from changed_changes where not (select is_full from dora_settings);
-- A change's title, flags and address stand in the evidence of its deployment.
insert into reflag_deployments
select l.deployment_id from changed_changes c
join core.deployment_changes l on (l.client_id, l.change_id) = ((select core.etl_client_id()), c.id)
where not c.is_new;

-- Links of incidents that the change's new names, its revert, or its own commit and address, touch.
insert into relink_incidents
select i.incident_id
from changed_changes c
join core.changes t on (t.client_id, t.id) = ((select core.etl_client_id()), c.id)
cross join lateral unnest(t.issue_keys) as named (issue_key)
join core.incident_references i
  on i.client_id = (select core.etl_client_id()) and i.kind in ('key', 'linked') and i.reference = named.issue_key
where not (select is_full from dora_settings);
