-- Where _dora_world.sql puts its rows: the temporary table place (one row per repository, with the changes to generate), and
-- the functions that turn numbers into a world. The same settings give the same world:
--   bench.clients             the number of clients; bench.client: only this one (0: all)
--   bench.low, bench.high     in every repository, the changes low + 1 … high are generated
--   bench.from, bench.until   the epochs between which they are spread

create temporary table place as
select c as client_id, 2 * c - 1 as github_id, 2 * c as jira_id, (c - 1) * 10 + r as repository_id, r, name, w.low, w.high,
       w.from_epoch, w.until_epoch, (w.until_epoch - w.from_epoch) / (w.high - w.low + 2) as step
from generate_series(1, current_setting('bench.clients')::bigint) c
cross join unnest(array['checkout', 'payments', 'search', 'catalogue', 'accounts', 'billing', 'shipping', 'mobile-api',
                        'gateway', 'reports']) with ordinality n (name, r)
cross join (
    select current_setting('bench.low')::bigint as low, current_setting('bench.high')::bigint as high,
           current_setting('bench.from')::double precision as from_epoch,
           current_setting('bench.until')::double precision as until_epoch
) w
where current_setting('bench.client')::bigint in (0, c)
order by c, r;
analyze place;

-- A number in [0, 1) that looks random but is always the same for the same input.
create function pg_temp.chance(n bigint, salt bigint) returns double precision language sql immutable
    return (hashint8extended(n, salt) & 1048575) / 1048576.0::double precision;

create function pg_temp.sha(id bigint) returns text language sql immutable
    return md5(id::text) || left(md5((-id)::text), 8);

-- The id of a repository's change, deployment or incident.
create function pg_temp.id(repository bigint, n bigint) returns bigint language sql immutable
    return repository * 10000000 + n;

-- When change n of a repository was merged (epoch). Changes keep their order.
create function pg_temp.merged(p place, n bigint) returns double precision language sql immutable
    return (p).from_epoch + (p).step * (n - (p).low + 0.6 * pg_temp.chance(pg_temp.id((p).repository_id, n), 10));

-- When deployment n, which delivers change 5 n, succeeded or failed.
create function pg_temp.deployed(p place, n bigint) returns double precision language sql immutable
    return pg_temp.merged(p, 5 * n)
        + least(14400, (p).step * (0.1 + 0.8 * pg_temp.chance(pg_temp.id((p).repository_id, n), 20)));

-- Incidents of a client are numbered across its repositories. Incident n of a repository follows deployment 4 n - 1.
create function pg_temp.incident_key(r bigint, n bigint) returns text language sql immutable
    return 'OPS-' || (n - 1) * 10 + r;

-- 2 % reverts (three in ten of them name an incident), 3 % hotfixes, 10 % name a key; two of ten name an incident's.
create function pg_temp.title(p place, n bigint, kind double precision, luck double precision) returns text
    language sql immutable
    return case
        when kind < 0.02 and n > 20 and luck < 0.3
            then 'Revert "Change ' || n - 1 || '" (' || pg_temp.incident_key((p).r, n / 20) || ')'
        when kind < 0.02 then 'Revert "Change ' || n - 1 || '"'
        when kind < 0.05 then 'hotfix: change ' || n || ' of ' || (p).name
        when kind < 0.07 and n > 20 then pg_temp.incident_key((p).r, n / 20) || ': change ' || n || ' of ' || (p).name
        when kind < 0.15 then 'APP-' || (p).r * 100000 + n / 12 || ': change ' || n || ' of ' || (p).name
        else 'Change ' || n || ' of ' || (p).name
    end;
