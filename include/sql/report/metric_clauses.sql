-- One row per clause of what moved: the sentence about all metrics, and by how much each has moved (clause 0), and under it each part,
-- with the way to the rows that make it.
select
    client_id, client_name, metric_type, sort_order, 0::bigint as clause, 'sentence' as kind, verdict, coalesce(move_text, sentence) as clause_text, rows_path
from report.metric_sentences
where rows_path is not null or metric_type in ('all', 'sources')
union all
select p.client_id, s.client_name, p.metric_type, p.sort_order, p.clause, p.kind, s.verdict, p.part_text, p.rows_path
from report.metric_parts p
join report.metric_sentences s on (s.client_id, s.metric_type) = (p.client_id, p.metric_type) and s.rows_path is not null;
