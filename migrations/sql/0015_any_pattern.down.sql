drop function core.search_pattern(jsonb);
