-- core.services: one service a repository. A service stays when its repository goes, since past numbers name it.
insert into core.services as t (client_id, id, name, integration_id, repository_id)
select r.client_id, 'gh-repo:' || r.integration_id || ':' || r.id, split_part(r.full_name, '/', 2), r.integration_id, r.id
from core.github_repositories r
where r.client_id = (select core.etl_client_id())
on conflict (client_id, id) do update set name = excluded.name
where t.name <> excluded.name;
