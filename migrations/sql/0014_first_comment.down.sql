do $$
declare
    described record;
begin
    for described in
        select a.attrelid::regclass as relation, a.attname as name, t.text
        from pg_attribute a
        join (values
            ('first_review_at', 'First review by a person other than the author.'),
            ('pickup_hours', 'Hours from opened until the first review.'),
            ('review_hours', 'Hours from the first review until the merge.')) t (name, text)
          on t.name = a.attname
        where a.attrelid in ('report.evidence_changes'::regclass, 'report.evidence_lead_time'::regclass)
    loop
        execute format('comment on column %s.%I is %L', described.relation, described.name, described.text);
    end loop;
end $$;
