-- A plain comment by another person is where the review began, as a review is.
do $$
declare
    described record;
begin
    for described in
        select a.attrelid::regclass as relation, a.attname as name, t.text
        from pg_attribute a
        join (values
            ('first_review_at', 'First review or comment by a person other than the author.'),
            ('pickup_hours', 'Hours from opened until the first review or comment.'),
            ('review_hours', 'Hours from the first review or comment until the merge.')) t (name, text)
          on t.name = a.attname
        where a.attrelid in ('report.evidence_changes'::regclass, 'report.evidence_lead_time'::regclass)
    loop
        execute format('comment on column %s.%I is %L', described.relation, described.name, described.text);
    end loop;
end $$;

-- The comments of the pull requests that are stored were not asked for: all are read once more, from the newest down, and
-- dashboards show what they showed until then.
alter table core.etl_checkpoints no force row level security;
delete from core.etl_checkpoints where stream in ('pull_requests', 'pull_requests_with_files');
update core.etl_checkpoints set cursor_data = cursor_data #- '{seen,pull_requests}' where stream = 'probe';
alter table core.etl_checkpoints force row level security;
