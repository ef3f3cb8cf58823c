-- Table core.review_load: how the reviews of the 30 days that end today spread over people. It holds counts, and nobody's name.
-- Grain: one row.
-- Per: client
with given as (
    select v.author_login, count(distinct (v.integration_id, v.pull_request_id)) as n
    from settings s
    join core.changes c on c.merged_on > s.today - 30 and c.merged_on <= s.today and c.pull_request_id is not null
    join core.reviews v on (v.integration_id, v.pull_request_id) = (c.integration_id, c.pull_request_id)
    where v.author_login is not null and v.author_login is distinct from c.author and not v.author_is_bot
      and not coalesce(v.author_login ~* s.bots, false) and not coalesce(v.author_login ~* s.agents, false)
    group by v.author_login
), ranked as (
    select n, row_number() over (order by n desc, author_login) as place,
           sum(n) over (order by n desc, author_login) as together, sum(n) over () as total
    from given
)
select 30 as days, coalesce(max(total), 0)::integer as reviews, count(*)::integer as reviewers,
       case when count(*) >= 5 then (min(place) filter (where together * 2 >= total))::integer end as half_reviewers
from ranked
