create function core.search_pattern(patterns jsonb) returns text
    language sql immutable parallel safe
    return (select core.search_pattern(string_agg('(?:' || p || ')', '|')) from jsonb_array_elements_text(patterns) p);
comment on function core.search_pattern(jsonb) is
    'One regular expression that finds what any of an admin''s list does. NULL: the list is empty.';
revoke execute on function core.search_pattern(jsonb) from public;
grant execute on function core.search_pattern(jsonb) to pulse_etl;
