alter table core.dora_restatements add column old_tier text, add column new_tier text;
comment on column core.dora_restatements.old_tier is
    'The tier before. A number whose tier alone has changed has a row, too: the benchmarks, or the tiers of the services that it is '
    'the median of, have changed.';
comment on column core.dora_restatements.new_tier is 'The tier since.';
