create function core.deployment_name(ref_name text, sha text)
    returns text
    language sql immutable parallel safe
    as $$ select nullif(concat_ws(' · ', nullif(ref_name, sha), left(sha, 8)), '') $$;
comment on function core.deployment_name(text, text) is
    'The branch or tag that was deployed, and the beginning of its commit; null if neither is known.';
revoke execute on function core.deployment_name(text, text) from public;
grant execute on function core.deployment_name(text, text) to pulse_etl, pulse_staff, pulse_reader;
