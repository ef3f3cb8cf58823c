-- One row per commit of a merged change, with the deployment that delivered it: lead times by commit.
--
-- Commits of deployed changes are found through the index on deployed_at, as in evidence_lead_time; then come those of changes
-- that are not deployed yet.
(
    select l.client_id, l.change_id, k.service_id, k.number, k.url, k.sha, k.position, k.authored_at, k.committed_at,
           core.shown_person(l.client_id, k.author) as author, k.headline, k.merged_at, l.deployment_id, l.deployed_at
    from core.deployment_changes l
    cross join lateral (
        select * from core.change_commits x where (x.client_id, x.change_id) = (l.client_id, l.change_id) offset 0
    ) k
    order by l.deployed_at desc
)
union all
select k.client_id, k.change_id, k.service_id, k.number, k.url, k.sha, k.position, k.authored_at, k.committed_at,
       core.shown_person(k.client_id, k.author), k.headline, k.merged_at, null, null
from core.change_commits k
where not exists (
    select from core.deployment_changes l where (l.client_id, l.change_id) = (k.client_id, k.change_id));
