-- Table core.incident_references: what an incident names, or is named as.
-- Grain: one row per incident, kind and reference.
-- key: how changes name the incident. url, sha, number: an address, a commit (full or abbreviated) or the number of a
-- deployment in its text. linked: an issue that is linked to it. fix_version: the version that fixed it.
-- Per: incident_id
select id as incident_id from incident_candidates
union
select (before).id from incidents_changed where after is null
;
with found as (
    select id as incident_id, 'key' as kind, named_as as reference from incident_candidates
    union
    -- An address as it is written; without what points into the page; and that of the pull request or run that the page is of.
    select i.id, 'url', address.url
    from incident_candidates i
    cross join regexp_matches(i.title || ' ' || i.body, 'https?://[^\s|<>"]+', 'g') m
    cross join lateral (select rtrim(m[1], '.,;:)]}>"''!*…') as url) whole
    cross join lateral (select rtrim(regexp_replace(whole.url, '[?#].*$', ''), '/_') as url) page
    cross join lateral (
        values (whole.url), (page.url), (substring(page.url from '^(.*/(?:pull|runs)/[0-9]+)/'))
    ) address (url)
    where address.url is not null
    union
    -- Eight digits are not a commit, nor is a date with a time. A date is not a deployment's number either.
    select i.id, k.kind, lower(m[1])
    from incident_candidates i
    cross join regexp_matches(i.title || ' ' || i.body, '\m[0-9a-fA-F]{7,40}\M', 'g') m
    cross join lateral (
        select 'sha' where m[1] !~ '^[0-9]{8}$' and m[1] !~ '^(19|20)[0-9]{2}[01][0-9][0-3][0-9]([0-9]{4}|[0-9]{6})$'
        union all
        select 'number'
        where m[1] ~ '^[0-9]{7,18}$' and m[1] !~ '^(19|20)[0-9]{2}[01][0-9][0-3][0-9]([0-9]{4}|[0-9]{6})?$'
    ) k (kind)
    union
    select i.id, 'linked', issue_key from incident_candidates i, unnest(i.linked_keys) issue_key
    union
    select i.id, 'fix_version', version from incident_candidates i, unnest(i.fix_versions) version
)
-- Longer texts name nothing, and fit no index.
select incident_id, kind, reference from found where octet_length(reference) <= 1500
