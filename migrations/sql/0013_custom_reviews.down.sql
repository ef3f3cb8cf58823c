alter table core.custom_changes drop column approved_at, drop column first_review_at;
