drop function core.claim_runs();
create function core.claim_runs(named text[] default '{}', left_out text[] default '{}') returns table (slug text, wished bigint)
    language sql volatile security definer set search_path = pg_catalog
    as $$
    update core.ingest_runs r set claimed_at = clock_timestamp()
    from core.clients c
    where c.id = r.client_id and c.active and r.wished > r.satisfied
      and (r.claimed_at is null or r.claimed_at < clock_timestamp() - interval '60 seconds')
      and (named = '{}' or c.slug = any (named)) and not c.slug = any (left_out)
    returning c.slug, r.wished
$$;
comment on function core.claim_runs(text[], text[]) is
    'The clients that wish for a run and had none in the last minute, of those named (all if none is) and without those left out. '
    'Each is given to one caller a minute.';
revoke execute on function core.claim_runs(text[], text[]) from public;
grant execute on function core.claim_runs(text[], text[]) to pulse_ingest;
