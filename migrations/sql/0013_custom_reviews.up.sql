alter table core.custom_changes
    add column first_review_at timestamptz,
    add column approved_at timestamptz;
comment on column core.custom_changes.first_review_at is
    'First review by a person other than the author, as the source tells it; NULL: it tells of none.';
comment on column core.custom_changes.approved_at is 'First approval, as the source tells it; NULL: it tells of none.';
