-- The tables and functions that the migrations come to, as pg_dump shows them, sorted by table. Generated: edit a migration
-- and run ./pulse schema. The views are in include/sql/report and include/sql/core, one file each.

CREATE SCHEMA audit;

CREATE SCHEMA core;

CREATE SCHEMA raw;

CREATE SCHEMA report;

CREATE FUNCTION audit.add(kind text, client integer, what text) RETURNS void
    LANGUAGE sql SECURITY DEFINER
    SET search_path TO 'pg_catalog'
    AS $$
    select audit.note(
        kind, coalesce(nullif(current_setting('pulse.actor', true), ''), session_user),
        coalesce(current_setting('pulse.address', true), ''), client, what)
$$;

COMMENT ON FUNCTION audit.add(kind text, client integer, what text) IS 'Adds an event of this transaction: pulse.actor names who acts (default: the login), pulse.address from where.';

CREATE FUNCTION audit.clients() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog'
    AS $$
begin
    if tg_op = 'INSERT' then
        perform audit.add('client added', new.id, new.slug);
    elsif new.active is distinct from old.active then
        perform audit.add(case when new.active then 'client activated' else 'client deactivated' end, new.id, new.slug);
    elsif (new.name, new.time_zone) is distinct from (old.name, old.time_zone) then
        perform audit.add('setting changed', new.id, format('name and zone: %s, %s', new.name, new.time_zone));
    end if;
    return null;
end $$;

COMMENT ON FUNCTION audit.clients() IS 'Trigger: notes what changes.';

CREATE FUNCTION audit.embed_keys() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog'
    AS $$
begin
    if tg_op = 'INSERT' then
        perform audit.add('key made', new.client_id, format('embedding key %s, %s', new.id, new.label));
    elsif new.revoked_at is not null and old.revoked_at is null then
        perform audit.add('key revoked', new.client_id, format('embedding key %s', new.id));
    end if;
    return null;
end $$;

COMMENT ON FUNCTION audit.embed_keys() IS 'Trigger: notes what changes.';

CREATE FUNCTION audit.forget_old() RETURNS bigint
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog'
    AS $$
declare
    gone bigint := 0;
begin
    -- A day's worth at once: it may be called as often as one likes.
    if exists (select from audit.log where at < now() - interval '1 year 1 day') then
        delete from audit.log where at < now() - interval '1 year';
        get diagnostics gone = row_count;
        perform audit.note('purged', 'pulse', '', null, gone || ' events older than a year');
    end if;
    return gone;
end $$;

COMMENT ON FUNCTION audit.forget_old() IS 'Deletes events that are older than a year, at most once a day; how many.';

CREATE FUNCTION audit.keep() RETURNS trigger
    LANGUAGE plpgsql
    SET search_path TO 'pg_catalog'
    AS $$
begin
    if tg_op = 'DELETE' and old.at < now() - interval '1 year' then
        return old;
    end if;
    raise exception 'the audit is only added to' using errcode = 'insufficient_privilege';
end $$;

COMMENT ON FUNCTION audit.keep() IS 'Trigger: refuses changes of the audit, also the superuser''s.';

CREATE FUNCTION audit.keys() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog'
    AS $$
begin
    if tg_op = 'INSERT' then
        perform audit.add('key made', new.client_id, format('key %s, %s of source %s, %s', new.id, new.kind, new.integration_id, new.label));
    elsif new.revoked_at is not null and old.revoked_at is null then
        perform audit.add('key revoked', new.client_id, format('key %s', new.id));
    end if;
    return null;
end $$;

COMMENT ON FUNCTION audit.keys() IS 'Trigger: notes what changes.';

CREATE FUNCTION audit.links() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog'
    AS $$
begin
    if tg_op = 'INSERT' or new.asked_at is distinct from old.asked_at then
        perform audit.add(case when new.kind = 'reset' then 'password forgotten' else 'person invited' end, new.client_id,
            format('%s, asked by %s', new.email, new.asked_by));
    end if;
    if new.token_hash is not null and (tg_op = 'INSERT' or new.token_hash is distinct from old.token_hash) then
        perform audit.add('link made', new.client_id, new.email);
    end if;
    return null;
end $$;

COMMENT ON FUNCTION audit.links() IS 'Trigger: notes what changes.';

CREATE FUNCTION audit.note(kind text, who text, address text, client_id integer, what text, at timestamp with time zone DEFAULT NULL::timestamp with time zone, ref uuid DEFAULT NULL::uuid) RETURNS void
    LANGUAGE sql SECURITY DEFINER
    SET search_path TO 'pg_catalog'
    AS $$
    insert into audit.log (ref, at, kind, who, address, client_id, what)
    values (coalesce(ref, gen_random_uuid()), least(at, clock_timestamp()), kind, left(who, 254), left(address, 64),
            client_id, left(what, 500))
    on conflict do nothing
$$;

COMMENT ON FUNCTION audit.note(kind text, who text, address text, client_id integer, what text, at timestamp with time zone, ref uuid) IS 'Adds an event. With the ref of one that is there already, it does nothing.';

CREATE FUNCTION audit.people() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog'
    AS $$
begin
    if tg_op = 'DELETE' then
        perform audit.add('person deleted', old.client_id, old.email);
    elsif tg_op = 'INSERT' then
        perform audit.add('person added', new.client_id, format('%s as %s (%s)', new.email, new.role, new.origin));
    else
        if new.active is distinct from old.active then
            perform audit.add(case when new.active then 'person added' else 'person removed' end, new.client_id, new.email);
        end if;
        if (new.email, new.role) is distinct from (old.email, old.role) then
            perform audit.add('role changed', new.client_id,
                format('%s as %s, was %s as %s', new.email, new.role, old.email, old.role));
        end if;
        if new.password_hash <> old.password_hash and new.password_hash <> '' then
            perform audit.add('password changed', new.client_id, new.email);
        end if;
    end if;
    return null;
end $$;

COMMENT ON FUNCTION audit.people() IS 'Trigger: notes what changes.';

CREATE FUNCTION audit.reports() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog'
    AS $$
begin
    if new.sent_at is not null and old.sent_at is null then
        perform audit.add('report sent', new.client_id, format('%s to user %s', new.report, new.user_id));
    end if;
    return null;
end $$;

COMMENT ON FUNCTION audit.reports() IS 'Trigger: notes what changes.';

CREATE FUNCTION audit.settings() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog'
    AS $$
begin
    if tg_op = 'DELETE' then
        perform audit.add('setting changed', old.client_id, format('%s: default, was %s', old.setting_key,
            left(old.setting_value::text, 200)));
    elsif tg_op = 'INSERT' then
        perform audit.add('setting changed', new.client_id, format('%s: %s', new.setting_key, left(new.setting_value::text, 200)));
    elsif new.setting_value <> old.setting_value then
        perform audit.add('setting changed', new.client_id, format('%s: %s, was %s', new.setting_key,
            left(new.setting_value::text, 200), left(old.setting_value::text, 200)));
    end if;
    return null;
end $$;

COMMENT ON FUNCTION audit.settings() IS 'Trigger: notes what changes.';

CREATE FUNCTION audit.sources() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog'
    AS $$
declare
    kept text[] := array['updated_at', 'created_at', 'id', 'client_id'];
    changed text;
begin
    if tg_op = 'DELETE' then
        perform audit.add('source changed', old.client_id, old.name || ' deleted');
    elsif tg_op = 'INSERT' then
        perform audit.add('source changed', new.client_id, format('%s (%s) added', new.name, new.integration_type));
    else
        -- The names only: what an admin declares may hold what is nobody's business.
        select string_agg(n.key, ', ' order by n.key) into changed
        from jsonb_each(to_jsonb(new)) n join jsonb_each(to_jsonb(old)) o on o.key = n.key and o.value <> n.value
        where n.key <> all (kept);
        if changed is not null then
            perform audit.add('source changed', new.client_id, format('%s: %s', new.name, changed));
        end if;
    end if;
    return null;
end $$;

COMMENT ON FUNCTION audit.sources() IS 'Trigger: notes what changes.';

CREATE FUNCTION core.language() RETURNS text
    LANGUAGE sql STABLE PARALLEL SAFE
    RETURN COALESCE(NULLIF(current_setting('pulse.language'::text, true), ''::text), 'en'::text);

COMMENT ON FUNCTION core.language() IS 'The language of this session''s texts (setting pulse.language).';

CREATE FUNCTION core.translated(in_language text, source text) RETURNS text
    LANGUAGE plpgsql STABLE PARALLEL SAFE
    SET search_path TO 'pg_catalog'
    AS $$
begin
    return coalesce((select t.text from core.translations t where t.language = in_language and t.source = translated.source), source);
end $$;

COMMENT ON FUNCTION core.translated(in_language text, source text) IS 'A text in a language; in English where there is no translation.';

CREATE FUNCTION core.say(source text) RETURNS text
    LANGUAGE sql STABLE PARALLEL SAFE
    RETURN CASE WHEN (core.language() = 'en'::text) THEN source ELSE core.translated(core.language(), source) END;

COMMENT ON FUNCTION core.say(source text) IS 'An English text in this session''s language.';

CREATE FUNCTION core.cause_text(cause text) RETURNS text
    LANGUAGE sql STABLE PARALLEL SAFE
    RETURN CASE WHEN (core.language() = 'en'::text) THEN cause WHEN (cause ~ '^definition [^ ]+ became [^ ]+$'::text) THEN format(core.say('definition %s became %s'::text), split_part(cause, ' '::text, 2), split_part(cause, ' '::text, 4)) WHEN (cause ~ '^[a-z ]+: [0-9]+ [a-z]+(, [0-9]+ [a-z]+)*$'::text) THEN ((core.say(split_part(cause, ': '::text, 1)) || ': '::text) || (SELECT string_agg(((split_part(p.part, ' '::text, 1) || ' '::text) || core.say(split_part(p.part, ' '::text, 2))), ', '::text ORDER BY p.place) AS string_agg FROM unnest(string_to_array(split_part(cause_text.cause, ': '::text, 2), ', '::text)) WITH ORDINALITY p(part, place))) ELSE core.say(cause) END;

COMMENT ON FUNCTION core.cause_text(cause text) IS 'The cause of a restatement in this session''s language.';

CREATE FUNCTION core.claim_runs(named text[] DEFAULT '{}'::text[], left_out text[] DEFAULT '{}'::text[]) RETURNS TABLE(slug text, wished bigint)
    LANGUAGE sql SECURITY DEFINER
    SET search_path TO 'pg_catalog'
    AS $$
    update core.ingest_runs r set claimed_at = clock_timestamp()
    from core.clients c
    where c.id = r.client_id and c.active and r.wished > r.satisfied
      and (r.claimed_at is null or r.claimed_at < clock_timestamp() - interval '60 seconds')
      and (named = '{}' or c.slug = any (named)) and not c.slug = any (left_out)
    returning c.slug, r.wished
$$;

COMMENT ON FUNCTION core.claim_runs(named text[], left_out text[]) IS 'The clients that wish for a run and had none in the last minute, of those named (all if none is) and without those left out. Each is given to one caller a minute.';


SET default_tablespace = '';

SET default_table_access_method = heap;

CREATE FUNCTION core.client_admin(session_hash text) RETURNS core.users
    LANGUAGE sql STABLE SECURITY DEFINER
    SET search_path TO 'pg_catalog'
    AS $$
    select u
    from core.user_sessions s
    join core.users u on (u.client_id, u.id) = (s.client_id, s.user_id)
    join core.clients c on c.id = u.client_id and c.active
    where s.token_hash = session_hash and s.active and s.expires_at > now() and u.active and u.role = 'client_admin'
$$;

COMMENT ON FUNCTION core.client_admin(session_hash text) IS 'The client_admin whose session this is, by the hash of its token; NULL for everybody else.';

CREATE FUNCTION core.day_text(day date) RETURNS text
    LANGUAGE sql STABLE PARALLEL SAFE
    RETURN CASE core.language() WHEN 'de'::text THEN (((EXTRACT(day FROM day) || '. '::text) || (ARRAY['Jan.'::text, 'Feb.'::text, 'März'::text, 'Apr.'::text, 'Mai'::text, 'Juni'::text, 'Juli'::text, 'Aug.'::text, 'Sept.'::text, 'Okt.'::text, 'Nov.'::text, 'Dez.'::text])[(EXTRACT(month FROM day))::integer]) || to_char((day)::timestamp with time zone, ' YYYY'::text)) ELSE to_char((day)::timestamp with time zone, 'FMDD Mon YYYY'::text) END;

COMMENT ON FUNCTION core.day_text(day date) IS 'A day as this session''s language writes it.';

CREATE FUNCTION core.deployment_name(ref_name text, sha text) RETURNS text
    LANGUAGE sql IMMUTABLE PARALLEL SAFE
    AS $$ select nullif(concat_ws(' · ', nullif(ref_name, sha), left(sha, 8)), '') $$;

COMMENT ON FUNCTION core.deployment_name(ref_name text, sha text) IS 'The branch or tag that was deployed, and the beginning of its commit; null if neither is known.';

CREATE FUNCTION core.figures(number text) RETURNS text
    LANGUAGE sql STABLE PARALLEL SAFE
    RETURN translate(number, ',.'::text, COALESCE(NULLIF(current_setting('pulse.separators'::text, true), ''::text), CASE core.language() WHEN 'de'::text THEN '.,'::text ELSE ',.'::text END));

COMMENT ON FUNCTION core.figures(number text) IS 'A number as to_char has written it, with this session''s separators: of thousands, and of decimals (setting pulse.separators, or as the language has it).';

CREATE FUNCTION core.percent(share double precision, decimals integer DEFAULT 0, down boolean DEFAULT false) RETURNS text
    LANGUAGE sql STABLE PARALLEL SAFE
    RETURN (SELECT core.figures(to_char(CASE WHEN percent.down THEN trunc(s.x, e.d) ELSE round(s.x, e.d) END, ('FM999999990'::text || CASE WHEN (e.d > 0) THEN rpad('.'::text, (e.d + 1), '0'::text) ELSE ''::text END))) AS figures FROM ((SELECT ((percent.share * (100)::double precision))::numeric AS x) s CROSS JOIN LATERAL (SELECT COALESCE(min(d.d), percent.decimals) AS d FROM generate_series(percent.decimals, 6) d(d) WHERE ((s.x = ANY (ARRAY[(0)::numeric, (100)::numeric])) OR (CASE WHEN percent.down THEN trunc(s.x, d.d) ELSE round(s.x, d.d) END <> ALL (ARRAY[(0)::numeric, (100)::numeric])))) e));

COMMENT ON FUNCTION core.percent(share double precision, decimals integer, down boolean) IS 'A share in percent, with this many decimals, or as many more as it takes: what is not all is not shown as 100, and what is not nothing not as 0. down: for "at least", so never rounded up.';

CREATE FUNCTION core.display_text(unit text, value double precision) RETURNS text
    LANGUAGE sql STABLE PARALLEL SAFE
    RETURN CASE WHEN (value IS NULL) THEN '—'::text WHEN ((unit = 'ratio'::text) AND (((value > (0)::double precision) AND (value < (0.0005)::double precision)) OR ((value >= (0.9995)::double precision) AND (value < (1)::double precision)))) THEN (core.percent(value, 1) || ' %'::text) WHEN (unit = 'ratio'::text) THEN (core.figures(to_char((value * (100)::double precision), 'FM999999999990.0'::text)) || ' %'::text) WHEN ((unit = 'per_day'::text) AND (value >= (0.95)::double precision)) THEN format(core.say('%s per day'::text), core.figures(to_char(value, 'FM999999999990.0'::text))) WHEN ((unit = 'per_day'::text) AND ((value * (7)::double precision) >= (0.95)::double precision)) THEN format(core.say('%s per week'::text), core.figures(to_char((value * (7)::double precision), 'FM990.0'::text))) WHEN (unit = 'per_day'::text) THEN format(core.say('%s per month'::text), core.figures(to_char((value * (30.4)::double precision), 'FM990.0'::text))) WHEN ((unit = 'hours'::text) AND (value > (0)::double precision) AND ((value * (3600)::double precision) < (59.5)::double precision)) THEN format(core.say('%s s'::text), to_char(GREATEST((value * (3600)::double precision), (1)::double precision), 'FM90'::text)) WHEN ((unit = 'hours'::text) AND ((value * (60)::double precision) < (59.5)::double precision)) THEN format(core.say('%s min'::text), to_char((value * (60)::double precision), 'FM90'::text)) WHEN ((unit = 'hours'::text) AND (value < (47.95)::double precision)) THEN format(core.say('%s h'::text), core.figures(to_char(value, 'FM990.0'::text))) WHEN (unit = 'hours'::text) THEN format(core.say('%s days'::text), core.figures(to_char((value / (24)::double precision), 'FM999999999990.0'::text))) WHEN (unit = 'items'::text) THEN to_char(value, 'FM999999999990'::text) WHEN (unit = 'per_week'::text) THEN format(core.say('%s per week'::text), to_char(value, 'FM999999999990'::text)) ELSE core.figures(to_char(value, 'FM999999999990.0'::text)) END;

COMMENT ON FUNCTION core.display_text(unit text, value double precision) IS 'A metric''s value in words; a dash for NULL.';

CREATE FUNCTION core.difference_text(unit text, difference double precision) RETURNS text
    LANGUAGE sql STABLE PARALLEL SAFE
    RETURN (SELECT CASE WHEN (difference_text.difference IS NULL) THEN '—'::text WHEN (ltrim(t.shown, '0.,'::text) !~ '^[1-9]'::text) THEN core.say('no change'::text) ELSE (CASE WHEN (difference_text.difference < (0)::double precision) THEN '−'::text ELSE '+'::text END || t.shown) END AS "case" FROM (SELECT CASE difference_text.unit WHEN 'ratio'::text THEN format(core.say('%s points'::text), core.figures(to_char((abs(difference_text.difference) * (100)::double precision), 'FM990.0'::text))) ELSE core.display_text(difference_text.unit, abs(difference_text.difference)) END AS shown) t);

COMMENT ON FUNCTION core.difference_text(unit text, difference double precision) IS 'A difference between two values of a metric, in words.';

CREATE FUNCTION core.effect_label(effect text) RETURNS text
    LANGUAGE sql STABLE PARALLEL SAFE
    RETURN CASE effect WHEN 'coding'::text THEN core.say('Coding'::text) WHEN 'pickup'::text THEN core.say('Waiting for review'::text) WHEN 'review'::text THEN core.say('Review'::text) WHEN 'merge_to_deploy'::text THEN core.say('Waiting for deployment'::text) WHEN 'other'::text THEN core.say('In no stage'::text) WHEN 'count'::text THEN core.say('Releases'::text) WHEN 'mix'::text THEN core.say('Other mix of services'::text) WHEN 'rate'::text THEN core.say('Its own value'::text) ELSE NULL::text END;

COMMENT ON FUNCTION core.effect_label(effect text) IS 'A stage of the lead time, or another effect of core.metric_drivers, in words.';

CREATE FUNCTION core.elapsed_hours(from_at timestamp with time zone, to_at timestamp with time zone, working boolean) RETURNS double precision
    LANGUAGE sql STABLE PARALLEL SAFE
    AS $$
    select case
        when not to_at >= from_at then null
        when working then core.worked_hours(to_at) - core.worked_hours(from_at)
        else extract(epoch from to_at - from_at)::double precision / 3600
    end
$$;

COMMENT ON FUNCTION core.elapsed_hours(from_at timestamp with time zone, to_at timestamp with time zone, working boolean) IS 'Hours from one moment to another; NULL when negative or when either is missing. working: count only working days.';

CREATE FUNCTION core.embed_key(key_hash text, of_client integer DEFAULT NULL::integer, with_id bigint DEFAULT NULL::bigint) RETURNS TABLE(client_id integer, key_id bigint, label text, origins jsonb, dashboards jsonb)
    LANGUAGE sql STABLE SECURITY DEFINER
    SET search_path TO 'pg_catalog'
    AS $$
    select k.client_id, k.id, k.label, o.setting_value, d.setting_value
    from core.embed_keys k
    join core.clients c on c.id = k.client_id and c.active
    join core.system_settings o on o.client_id = k.client_id and o.setting_key = 'embed.origins'
    join core.system_settings d on d.client_id = k.client_id and d.setting_key = 'embed.dashboards'
    where (k.key_hash = embed_key.key_hash or (k.client_id, k.id) = (of_client, with_id)) and k.revoked_at is null
$$;

COMMENT ON FUNCTION core.embed_key(key_hash text, of_client integer, with_id bigint) IS 'A key, by its hash or by client and id, and what may be embedded where; no row when it is unknown or revoked, or nothing may.';

CREATE FUNCTION core.end_client_sessions() RETURNS trigger
    LANGUAGE plpgsql
    SET search_path TO 'pg_catalog'
    AS $$
begin
    update core.users set sessions_from = clock_timestamp() where client_id = new.id;
    update core.user_sessions set active = false where client_id = new.id and active;
    return null;
end $$;

COMMENT ON FUNCTION core.end_client_sessions() IS 'Trigger: ends the sessions of a client that is no longer active.';

CREATE FUNCTION core.end_long_queries(seconds integer) RETURNS integer
    LANGUAGE sql SECURITY DEFINER
    SET search_path TO 'pg_catalog'
    AS $_$
    select count(pg_terminate_backend(pid))::integer
    from pg_stat_activity
    where usename ~ '^pulse_(client_[0-9]+|nobody)$'
      and ((state = 'active' and query_start < clock_timestamp() - make_interval(secs => greatest(seconds, 1)))
           or (state like 'idle in transaction%'
               and state_change < clock_timestamp() - make_interval(secs => greatest(seconds, 1))))
$_$;

COMMENT ON FUNCTION core.end_long_queries(seconds integer) IS 'Ends sessions of clients'' logins whose query, or open transaction, is older than this. Returns how many there were.';

CREATE FUNCTION core.end_sessions() RETURNS trigger
    LANGUAGE plpgsql
    SET search_path TO 'pg_catalog'
    AS $$
begin
    new.sessions_from := clock_timestamp();
    update core.user_sessions s set active = false
    where s.client_id = old.client_id and s.user_id = old.id and s.active;
    return new;
end $$;

COMMENT ON FUNCTION core.end_sessions() IS 'Trigger: ends the sessions of a person whose password, role, address or activity has changed.';

CREATE FUNCTION core.enqueue_dora() RETURNS trigger
    LANGUAGE plpgsql
    SET search_path TO 'pg_catalog'
    AS $$
declare
    sources text := case tg_op when 'INSERT' then 'new_rows' when 'DELETE' then 'old_rows' end;
begin
    if sources is null then
        sources := format('(select * from new_rows union all select * from old_rows)');
    end if;
    execute format(
        'insert into core.dora_queue (client_id, fact, integration_id, key)'
        ' select distinct client_id, %L, integration_id, (%s)::text from %s r', tg_argv[0], tg_argv[1], sources);
    return null;
end $$;

COMMENT ON FUNCTION core.enqueue_dora() IS 'Statement trigger: queues the written rows. Arguments: the kind of fact, and the expression for its key.';

CREATE FUNCTION core.ensure_client_role(client_id integer, verifier text, active boolean) RETURNS boolean
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog'
    AS $_$
declare
    role_name text := 'pulse_client_' || client_id;
    created   boolean := false;
    can_login boolean;
begin
    if not exists (select from core.clients c where c.id = ensure_client_role.client_id) then
        raise exception 'there is no client %', client_id using errcode = 'foreign_key_violation';
    end if;
    -- A verifier, never a password: the statement may be logged.
    if verifier is null or verifier !~ '^SCRAM-SHA-256\$\d+:[A-Za-z0-9+/=]+\$[A-Za-z0-9+/=]+:[A-Za-z0-9+/=]+$' then
        raise exception 'not a SCRAM verifier for %', role_name using errcode = 'invalid_parameter_value';
    end if;
    perform pg_advisory_xact_lock(hashtext('pulse.roles'));
    select rolcanlogin into can_login from pg_roles where rolname = role_name;
    if not found then
        created := true;
        execute format('create role %I nologin password %L connection limit 10', role_name, verifier);
        execute format('alter role %I set statement_timeout = ''30s''', role_name);
        execute format('grant pulse_reader to %I with inherit true, set false', role_name);
        can_login := false;
    end if;
    if can_login is distinct from active then
        execute format('alter role %I with %s', role_name, case when active then 'login' else 'nologin' end);
    end if;
    return created;
end $_$;

COMMENT ON FUNCTION core.ensure_client_role(client_id integer, verifier text, active boolean) IS 'Makes the login of a client when it is missing (with this SCRAM verifier); NOLOGIN when the client is not active. Returns whether it was made.';

CREATE FUNCTION core.erased_people() RETURNS TABLE(identity_hash text, salt text, words integer, everywhere boolean, pseudonym text)
    LANGUAGE sql STABLE SECURITY DEFINER
    SET search_path TO 'pg_catalog'
    AS $$
    select e.identity_hash, e.salt, e.words, e.everywhere, e.pseudonym
    from core.erased e
    where e.client_id = case when session_user = 'pulse_ingest' then (select s.client_id from core.ingest_source() s)
                             else core.etl_client_id() end
$$;

COMMENT ON FUNCTION core.erased_people() IS 'Who must not come back into the rows of the client that this transaction works for.';

CREATE FUNCTION core.etl_client_id() RETURNS integer
    LANGUAGE plpgsql STABLE PARALLEL SAFE
    SET search_path TO 'pg_catalog'
    AS $$
declare
    given text := current_setting('pulse.client_id', true);
begin
    if given is null or given = '' then
        raise insufficient_privilege using
            message = 'pulse.client_id is not set: no client is chosen for this transaction',
            hint = 'Use pulse.warehouse.connect.client_transaction(connection, client_id).';
    end if;
    return given::integer;
end $$;

COMMENT ON FUNCTION core.etl_client_id() IS 'The client this transaction works for (setting pulse.client_id); an error when none is chosen.';

CREATE FUNCTION core.hours_between(from_at timestamp with time zone, to_at timestamp with time zone) RETURNS double precision
    LANGUAGE sql IMMUTABLE PARALLEL SAFE
    RETURN CASE WHEN (to_at >= from_at) THEN (((EXTRACT(epoch FROM to_at) - EXTRACT(epoch FROM from_at)))::double precision / (3600)::double precision) ELSE NULL::double precision END;

COMMENT ON FUNCTION core.hours_between(from_at timestamp with time zone, to_at timestamp with time zone) IS 'Hours from one moment to another; NULL when negative or when either is missing.';

CREATE FUNCTION core.ingest_source() RETURNS TABLE(client_id integer, integration_id bigint, slug text, integration_type text, name text, config_data jsonb)
    LANGUAGE sql STABLE SECURITY DEFINER
    SET search_path TO 'pg_catalog'
    AS $$
    select i.client_id, i.id, c.slug, i.integration_type, i.name, i.config_data
    from core.ingest_keys k
    join core.integrations i on (i.client_id, i.id) = (k.client_id, k.integration_id) and i.active
    join core.clients c on c.id = k.client_id and c.active
    where k.key_hash = current_setting('pulse.ingest_key', true) and k.revoked_at is null
$$;

COMMENT ON FUNCTION core.ingest_source() IS 'The integration whose key hash this transaction has in pulse.ingest_key; no row when it is unknown or revoked.';

CREATE FUNCTION core.invite_person(session_hash text, email text, full_name text) RETURNS text
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog'
    AS $_$
declare
    admin   core.users := core.client_admin(session_hash);
    person  core.users;
    asked   timestamptz;
begin
    if admin.client_id is null then
        return 'forbidden';
    end if;
    if email !~ '^[a-z0-9!#$%&''*+/=?^_`{|}~.-]{1,64}@[a-z0-9-]+(\.[a-z0-9-]+)+$' or length(email) > 254
       or full_name ~ '[[:cntrl:]]' or length(full_name) > 120 then
        raise exception 'not an address, or not a name' using errcode = 'invalid_parameter_value';
    end if;
    perform set_config('pulse.actor', admin.email, true);
    perform pg_advisory_xact_lock(hashtext('pulse.people'), admin.client_id);
    select u.* into person from core.users u where u.client_id = admin.client_id and u.email = invite_person.email and u.active;
    if person.password_hash <> '' or person.origin = 'sso' then
        return 'is here';
    end if;
    if person.origin = 'variable' then
        return 'declared';
    end if;
    select l.asked_at into asked from core.password_links l
    where l.client_id = admin.client_id and l.email = invite_person.email;
    if asked > now() - interval '5 minutes' then
        return 'just now';
    end if;
    if (select count(*) filter (where l.asked_at > now() - interval '1 hour') >= 30 or count(*) >= 300
        from core.password_links l where l.client_id = admin.client_id) then
        return 'too many';
    end if;
    insert into core.password_links as l (client_id, email, full_name, kind, asked_by, send_at)
    values (admin.client_id, invite_person.email, invite_person.full_name, 'invited', admin.email, now())
    on conflict on constraint password_links_pkey do update
        set kind = 'invited', full_name = coalesce(nullif(excluded.full_name, ''), l.full_name),
            asked_by = excluded.asked_by, asked_at = now(), asks = l.asks + 1, send_at = now(), problem = '';
    return 'invited';
end $_$;

COMMENT ON FUNCTION core.invite_person(session_hash text, email text, full_name text) IS 'Invites somebody to the client of this client_admin, and says what came of it: invited, is here, declared (by the Variable), just now, too many, forbidden. Whether the address belongs to another client is found out when the link is used.';

CREATE FUNCTION core.likely_range(unit text, value double precision, cases double precision) RETURNS TABLE(low double precision, high double precision)
    LANGUAGE sql IMMUTABLE PARALLEL SAFE
    AS $$
        -- Of none and of all, the formula's end is not exactly the value: it misses it by the last digit.
        select greatest(least(r.low, value), 0), greatest(r.high, value) from (
            select case unit when 'ratio' then (value + z * z / (2 * n) - z * sqrt(value * (1 - value) / n + z * z / (4 * n * n))) / (1 + z * z / n)
                             when 'per_day' then value * (1 - 1 / (9 * n) - z / (3 * sqrt(n))) ^ 3 end as low,
                   case unit when 'ratio' then (value + z * z / (2 * n) + z * sqrt(value * (1 - value) / n + z * z / (4 * n * n))) / (1 + z * z / n)
                             when 'per_day' then value * (n + 1) / n * (1 - 1 / (9 * (n + 1)) + z / (3 * sqrt(n + 1))) ^ 3 end as high
            -- Without a case there is no division by it, wherever the planner puts the condition below.
            from (select nullif(cases, 0) as n, 1.96::double precision as z) v
        ) r
        where r.low is not null and r.high is not null
    $$;

COMMENT ON FUNCTION core.likely_range(unit text, value double precision, cases double precision) IS 'Between which values chance alone leaves a number, with 95 % confidence. A ratio of so many cases: Wilson''s score interval. A rate per day that so many events make: the Poisson interval in Byar''s approximation.';

CREATE FUNCTION core.look_link(token_hash text) RETURNS TABLE(client_id integer, email text, full_name text, kind text)
    LANGUAGE sql STABLE SECURITY DEFINER
    SET search_path TO 'pg_catalog'
    AS $$
    select l.client_id, l.email, l.full_name, l.kind
    from core.password_links l
    join core.clients c on c.id = l.client_id and c.active
    left join core.users u on u.client_id = l.client_id and u.email = l.email
    where l.token_hash = look_link.token_hash and l.expires_at > now() and (u.active or l.kind = 'invited')
$$;

COMMENT ON FUNCTION core.look_link(token_hash text) IS 'Whose link this is, by the hash of its token; no row when it is unknown, used or too old.';

CREATE FUNCTION core.merge_of(change_id text) RETURNS text
    LANGUAGE sql IMMUTABLE PARALLEL SAFE
    RETURN CASE WHEN (change_id ~ '^[a-z0-9_]+-(pr|commit):'::text) THEN regexp_replace(change_id, '-(pr|commit):'::text, '-merge:'::text) ELSE NULL::text END;

COMMENT ON FUNCTION core.merge_of(change_id text) IS 'The id of the deployment that a change''s merge is, where merges are deployments; NULL for a change without a repository.';

CREATE FUNCTION core.month_text(day date) RETURNS text
    LANGUAGE sql STABLE PARALLEL SAFE
    RETURN CASE core.language() WHEN 'de'::text THEN ((ARRAY['Januar'::text, 'Februar'::text, 'März'::text, 'April'::text, 'Mai'::text, 'Juni'::text, 'Juli'::text, 'August'::text, 'September'::text, 'Oktober'::text, 'November'::text, 'Dezember'::text])[(EXTRACT(month FROM day))::integer] || to_char((day)::timestamp with time zone, ' YYYY'::text)) ELSE to_char((day)::timestamp with time zone, 'FMMonth YYYY'::text) END;

COMMENT ON FUNCTION core.month_text(day date) IS 'The month of a day as this session''s language writes it.';

CREATE FUNCTION core.open_to_ingest(target regclass, rights text) RETURNS void
    LANGUAGE plpgsql
    SET search_path TO 'pg_catalog'
    AS $$
begin
    execute format('grant %s on %s to pulse_ingest', rights, target);
    execute format('create policy ingest on %s to pulse_ingest using ((client_id, integration_id) = '
                   '(select s.client_id, s.integration_id from core.ingest_source() s))', target);
end $$;

COMMENT ON FUNCTION core.open_to_ingest(target regclass, rights text) IS 'For migrations: pulse_ingest may use the table''s rows of the integration whose key it has.';

CREATE FUNCTION core.people(session_hash text) RETURNS TABLE(email text, full_name text, role text, origin text, state text, problem text)
    LANGUAGE sql STABLE SECURITY DEFINER
    SET search_path TO 'pg_catalog'
    AS $$
    with mine as (select a.client_id from core.client_admin(session_hash) a where a.client_id is not null)
    select coalesce(u.email, l.email), coalesce(nullif(u.full_name, ''), l.full_name, ''), coalesce(u.role, 'executive'),
           coalesce(u.origin, 'people'),
           case when u.password_hash <> '' or u.origin = 'sso' then 'active'
                when l.expires_at > now() then 'invited'
                when l.send_at is not null then 'waiting'
                else 'expired' end,
           coalesce(l.problem, '')
    from (select * from core.users where active and client_id = (select client_id from mine)) u
    full join (select * from core.password_links where client_id = (select client_id from mine)) l on l.email = u.email
    -- A link of somebody who was removed is no person.
    where u.id is not null or l.kind = 'invited'
    order by 1
$$;

COMMENT ON FUNCTION core.people(session_hash text) IS 'The people of the client whose client_admin has this session, and those who are invited.';

CREATE FUNCTION core.period_start(grain text, day date, week_shift integer) RETURNS date
    LANGUAGE sql IMMUTABLE PARALLEL SAFE
    AS $$
        select case grain when 'week' then date_trunc('week', (day + week_shift)::timestamp)::date - week_shift
                          else date_trunc(grain, day::timestamp)::date end
    $$;

COMMENT ON FUNCTION core.period_start(grain text, day date, week_shift integer) IS 'The first day of the day, week or month that a day is in. A week begins so many days before Monday: settings.week_shift.';

CREATE FUNCTION core.protect_table(target regclass, etl boolean, staff boolean, reader boolean) RETURNS void
    LANGUAGE plpgsql
    SET search_path TO 'pg_catalog'
    AS $$
begin
    execute format('alter table %s enable row level security, force row level security', target);
    execute format('create policy owner on %s to pulse_owner using (session_user = ''pulse_owner'')', target);
    if etl then
        execute format('grant select, insert, update, delete on %s to pulse_etl', target);
        execute format('create policy etl on %s to pulse_etl using (client_id = (select core.etl_client_id()))', target);
    end if;
    if staff then
        execute format('grant select on %s to pulse_staff', target);
        execute format('create policy staff on %s for select to pulse_staff using (true)', target);
    end if;
    if reader then
        execute format('grant select on %s to pulse_reader', target);
        execute format('create policy reader on %s for select to pulse_reader using (client_id = (select core.reader_client_id()))', target);
    end if;
end $$;

COMMENT ON FUNCTION core.protect_table(target regclass, etl boolean, staff boolean, reader boolean) IS 'For migrations: row-level security and grants of a new table with client_id. etl may write, staff and reader may read.';

CREATE FUNCTION core.raise_data_version() RETURNS trigger
    LANGUAGE plpgsql
    SET search_path TO 'pg_catalog'
    AS $$
begin
    insert into core.data_versions as v (client_id, version) values (coalesce(new.client_id, old.client_id), 1)
    on conflict (client_id) do update set version = v.version + 1, changed_at = now();
    return null;
end $$;

COMMENT ON FUNCTION core.raise_data_version() IS 'Raises the version of the client of a row that was written.';

CREATE FUNCTION core.range_text(unit text, low double precision, high double precision) RETURNS text
    LANGUAGE sql STABLE PARALLEL SAFE
    RETURN CASE WHEN (unit = 'ratio'::text) THEN format(core.say('%s to %s'::text), core.figures(to_char((low * (100)::double precision), 'FM990.0'::text)), (core.figures(to_char((high * (100)::double precision), 'FM990.0'::text)) || ' %'::text)) WHEN ("substring"(core.display_text(unit, low), '[^0-9., ].*'::text) = "substring"(core.display_text(unit, high), '[^0-9., ].*'::text)) THEN format(core.say('%s to %s'::text), "substring"(core.display_text(unit, low), '^[0-9.,]+'::text), core.display_text(unit, high)) ELSE format(core.say('%s to %s'::text), core.display_text(unit, low), core.display_text(unit, high)) END;

COMMENT ON FUNCTION core.range_text(unit text, low double precision, high double precision) IS 'Two values of a metric, from and to, in words.';

CREATE FUNCTION core.reader_client_id() RETURNS integer
    LANGUAGE sql STABLE SECURITY DEFINER PARALLEL SAFE
    SET search_path TO 'pg_catalog'
    AS $$
    select id from core.clients where active and 'pulse_client_' || id = session_user
$$;

COMMENT ON FUNCTION core.reader_client_id() IS 'The active client whose login opened this session; NULL for every other login.';

CREATE FUNCTION core.remove_person(session_hash text, email text) RETURNS text
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog'
    AS $$
declare
    admin   core.users := core.client_admin(session_hash);
    person  core.users;
begin
    if admin.client_id is null then
        return 'forbidden';
    end if;
    perform set_config('pulse.actor', admin.email, true);
    perform pg_advisory_xact_lock(hashtext('pulse.people'), admin.client_id);
    select u.* into person from core.users u where u.client_id = admin.client_id and u.email = remove_person.email and u.active;
    if person.id = admin.id then
        return 'yourself';
    end if;
    if person.origin = 'variable' then
        return 'declared';
    end if;
    delete from core.password_links l
    where l.client_id = admin.client_id and l.email = remove_person.email and (person.id is not null or l.kind = 'invited');
    if person.id is null and not found then
        return 'unknown';
    end if;
    update core.users u set active = false, password_hash = '', declared_hash = '', sso_subject = '', updated_at = now()
    where u.client_id = admin.client_id and u.id = person.id;
    return 'removed';
end $$;

COMMENT ON FUNCTION core.remove_person(session_hash text, email text) IS 'Removes somebody whom the Variable does not name from the client of this client_admin, and ends their sessions. Says what came of it: removed, yourself, declared, unknown, forbidden.';

CREATE FUNCTION core.request_link(email text) RETURNS void
    LANGUAGE sql SECURITY DEFINER
    SET search_path TO 'pg_catalog'
    AS $$
    insert into core.password_requests (email)
    select lower(request_link.email)
    where (select count(*) from (select from core.password_requests limit 1000) r) < 1000
$$;

COMMENT ON FUNCTION core.request_link(email text) IS 'Notes that somebody has forgotten a password. The same work for every address.';

CREATE FUNCTION core.run_started(slug text, wished bigint) RETURNS void
    LANGUAGE sql SECURITY DEFINER
    SET search_path TO 'pg_catalog'
    AS $$
    update core.ingest_runs r set satisfied = greatest(r.satisfied, run_started.wished)
    from core.clients c
    where c.id = r.client_id and c.slug = run_started.slug
$$;

COMMENT ON FUNCTION core.run_started(slug text, wished bigint) IS 'Notes that a run begins after this many wishes of a client.';

CREATE FUNCTION core.search_pattern(pattern text) RETURNS text
    LANGUAGE sql IMMUTABLE PARALLEL SAFE
    RETURN regexp_replace(pattern, '(^|[^\\])((?:\\\\)*)\\b'::text, '\1\2\\y'::text, 'g'::text);

COMMENT ON FUNCTION core.search_pattern(pattern text) IS 'An admin''s regular expression for PostgreSQL, whose word boundary is \y where most others have \b.';

CREATE FUNCTION core.search_pattern(patterns jsonb) RETURNS text
    LANGUAGE sql IMMUTABLE PARALLEL SAFE
    RETURN (SELECT core.search_pattern(string_agg((('(?:'::text || p.value) || ')'::text), '|'::text)) AS search_pattern FROM jsonb_array_elements_text(search_pattern.patterns) p(value));

COMMENT ON FUNCTION core.search_pattern(patterns jsonb) IS 'One regular expression that matches what any in an admin''s list matches; NULL for an empty list.';

CREATE FUNCTION core.setting(key text, fallback jsonb) RETURNS jsonb
    LANGUAGE sql STABLE PARALLEL SAFE
    AS $$
    select coalesce(
        (select setting_value from core.system_settings
         where client_id = (select core.etl_client_id()) and setting_key = key),
        fallback)
$$;

COMMENT ON FUNCTION core.setting(key text, fallback jsonb) IS 'A setting of the client this transaction works for, or the fallback.';

CREATE FUNCTION core.shown_person(client integer, person text) RETURNS text
    LANGUAGE sql STABLE PARALLEL SAFE
    RETURN (SELECT CASE (s.setting_value #>> '{}'::text[]) WHEN 'names'::text THEN shown_person.person WHEN 'pseudonyms'::text THEN ('person '::text || "left"(md5(((((shown_person.person || ' '::text) || c.id) || ' '::text) || EXTRACT(epoch FROM c.created_at))), 6)) ELSE NULL::text END AS "case" FROM (core.system_settings s JOIN core.clients c ON ((c.id = s.client_id))) WHERE ((s.client_id = shown_person.client) AND (s.setting_key = 'privacy.people'::text)));

COMMENT ON FUNCTION core.shown_person(client integer, person text) IS 'A login as the client wants it shown: nothing (the default), a pseudonym or the login itself.';

CREATE FUNCTION core.sso_client(provider text, domain text) RETURNS integer
    LANGUAGE sql STABLE SECURITY DEFINER
    SET search_path TO 'pg_catalog'
    AS $$
    select case when count(*) = 1 then min(c.id) filter (where p.setting_value = to_jsonb(provider)) end
    from core.system_settings d
    join core.clients c on c.id = d.client_id and c.active
    left join core.system_settings p on p.client_id = c.id and p.setting_key = 'sso.provider'
    where d.setting_key = 'sso.domains' and d.setting_value ? domain
$$;

COMMENT ON FUNCTION core.sso_client(provider text, domain text) IS 'The client whose people with addresses of this domain the provider signs in; NULL if there is none, or more than one.';

CREATE FUNCTION core.sso_sign_in(provider text, everyone boolean, email text, subject text, full_name text, role text) RETURNS text
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog'
    AS $$
declare
    home    integer := core.sso_client(provider, split_part(email, '@', 2));
    person  core.users;
    bound   text;
begin
    if email <> lower(email) or subject = '' or role not in ('executive', 'manager', 'client_admin') then
        raise exception 'not a person' using errcode = 'invalid_parameter_value';
    end if;
    perform set_config('pulse.actor', email, true);
    perform pg_advisory_xact_lock(hashtext('pulse.sso'), hashtext(email));
    select u.* into person from core.users u where u.email = sso_sign_in.email for update;
    if not found then
        if home is null or not exists (select from core.system_settings s where s.client_id = home
                                       and s.setting_key = 'sso.create' and s.setting_value = 'true'::jsonb) then
            return 'unknown';
        end if;
        if role is null then
            return 'no role';
        end if;
        insert into core.users (client_id, email, full_name, password_hash, role, origin, sso_subject)
        values (home, email, left(full_name, 120), '', role, 'sso', subject);
        return 'in';
    end if;
    -- One client's provider does not speak for another's people, whatever it says about their addresses.
    select s.setting_value #>> '{}' into bound from core.system_settings s
    where s.client_id = person.client_id and s.setting_key = 'sso.provider';
    if home is distinct from person.client_id and not (everyone and coalesce(bound, provider) = provider) then
        return 'unknown';
    end if;
    if not person.active or not exists (select from core.clients c where c.id = person.client_id and c.active) then
        return 'not active';
    end if;
    if person.sso_subject not in ('', subject) then
        return 'somebody else';
    end if;
    if person.origin = 'sso' and role is null then
        return 'no role';
    end if;
    update core.users u
    set sso_subject = subject, updated_at = now(),
        role = case when u.origin = 'sso' then sso_sign_in.role else u.role end
    where (u.client_id, u.id) = (person.client_id, person.id)
      and (u.sso_subject, u.role) is distinct from
          (subject, case when u.origin = 'sso' then sso_sign_in.role else u.role end);
    return 'in';
end $$;

COMMENT ON FUNCTION core.sso_sign_in(provider text, everyone boolean, email text, subject text, full_name text, role text) IS 'Whether somebody whom a provider has signed in is a person here: in, unknown, not active, somebody else (the address had another owner there), no role. Where the client says so, a person of its domains is created, and only there.';

CREATE FUNCTION core.stop_report(token_hash text) RETURNS text
    LANGUAGE sql SECURITY DEFINER
    SET search_path TO 'pg_catalog'
    AS $$
    with named as (
        select client_id, user_id, report from core.reports_sent where unsubscribe_hash = token_hash
    ), stopped as (
        insert into core.reports_stopped (client_id, user_id, report)
        select client_id, user_id, report from named
        on conflict do nothing
    )
    select report from named
$$;

COMMENT ON FUNCTION core.stop_report(token_hash text) IS 'Stops the report that a message was, by the hash of the token in its link. NULL when there is no such message.';

CREATE FUNCTION core.take_link(token_hash text, password_hash text) RETURNS text
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog'
    AS $_$
declare
    link core.password_links;
begin
    if password_hash is null or password_hash !~ '^scrypt:32768:8:1\$[^$]{8,64}\$[0-9a-f]{128}$' then
        raise exception 'not a hash of a password' using errcode = 'invalid_parameter_value';
    end if;
    select l.* into link
    from core.password_links l
    join core.look_link(take_link.token_hash) found on (found.client_id, found.email) = (l.client_id, l.email)
    for update of l;
    -- Of two who use a link at once, the second waits here, and then finds no row.
    if not found or link.token_hash is distinct from take_link.token_hash then
        return null;
    end if;
    perform set_config('pulse.actor', link.email, true);
    delete from core.password_links l where (l.client_id, l.email) = (link.client_id, link.email);
    update core.users u
    set password_hash = take_link.password_hash, active = true, updated_at = now(),
        origin = case when u.active then u.origin else 'people' end,
        full_name = coalesce(nullif(u.full_name, ''), link.full_name)
    where (u.client_id, u.email) = (link.client_id, link.email);
    if not found then
        insert into core.users (client_id, email, full_name, password_hash, role, origin)
        values (link.client_id, link.email, link.full_name, take_link.password_hash, 'executive', 'people')
        on conflict (email) do nothing;
        if not found then
            return 'elsewhere';
        end if;
    end if;
    return 'set';
end $_$;

COMMENT ON FUNCTION core.take_link(token_hash text, password_hash text) IS 'Sets the password of the person whose link this is, and uses the link up. NULL when there is no such link; elsewhere when the address has a login at another client already.';

CREATE FUNCTION core.tell_clients_moved() RETURNS trigger
    LANGUAGE plpgsql
    SET search_path TO 'pg_catalog'
    AS $$
begin
    perform pg_notify('pulse_clients', '');
    return null;
end $$;

COMMENT ON FUNCTION core.tell_clients_moved() IS 'Trigger: tells those who listen on pulse_clients that a client''s state has moved.';

CREATE FUNCTION core.unprotected_tables() RETURNS TABLE(unprotected regclass)
    LANGUAGE sql STABLE
    SET search_path TO 'pg_catalog'
    AS $$
    select c.oid::regclass
    from pg_class c
    join pg_namespace n on n.oid = c.relnamespace
    where c.relkind in ('r', 'p', 'm', 'f')
      and n.nspname !~ '^pg_' and n.nspname <> 'information_schema'
      and (c.oid = 'core.clients'::regclass
           or exists (select from pg_attribute a where a.attrelid = c.oid and a.attname = 'client_id' and not a.attisdropped))
      and not (c.relrowsecurity and c.relforcerowsecurity)
$$;

COMMENT ON FUNCTION core.unprotected_tables() IS 'Tables that hold clients'' rows without forced row-level security; must be empty.';

CREATE FUNCTION core.url_part(value text) RETURNS text
    LANGUAGE sql IMMUTABLE PARALLEL SAFE
    RETURN regexp_replace(encode(convert_to(value, 'UTF8'::name), 'hex'::text), '(..)'::text, '%\1'::text, 'g'::text);

COMMENT ON FUNCTION core.url_part(value text) IS 'A value as part of an address, whatever its characters.';

CREATE FUNCTION core.verdict_text(verdict text, unit text, low double precision, high double precision, since date, history integer, needed integer) RETURNS text
    LANGUAGE sql STABLE PARALLEL SAFE
    RETURN CASE verdict WHEN 'usual'::text THEN COALESCE(CASE WHEN ((low IS NOT NULL) AND (high IS NOT NULL)) THEN format(core.say('within its usual range (%s)'::text), core.range_text(unit, low, high)) ELSE NULL::text END, core.say('within its usual range'::text)) WHEN 'not_enough_history'::text THEN format(core.say('not enough history for a verdict: %s of %s weeks'::text), history, needed) ELSE (format(CASE verdict WHEN 'better'::text THEN core.say('better since %s'::text) ELSE core.say('worse since %s'::text) END, core.day_text(since)) || CASE WHEN ((low IS NOT NULL) AND (high IS NOT NULL)) THEN format(core.say('; before: %s'::text), core.range_text(unit, low, high)) ELSE ''::text END) END;

COMMENT ON FUNCTION core.verdict_text(verdict text, unit text, low double precision, high double precision, since date, history integer, needed integer) IS 'What the weeks of a metric say, in words.';

CREATE FUNCTION core.webhook_nonces(slug text, integration_type text, name text) RETURNS SETOF text
    LANGUAGE sql STABLE SECURITY DEFINER
    SET search_path TO 'pg_catalog'
    AS $$
    select k.nonce
    from core.clients c
    join core.integrations i on i.client_id = c.id and i.active
    join core.ingest_keys k on (k.client_id, k.integration_id) = (i.client_id, i.id)
    where c.slug = webhook_nonces.slug and c.active and i.integration_type = webhook_nonces.integration_type
      and i.name = webhook_nonces.name and k.kind = 'webhook' and k.revoked_at is null
    order by k.id desc
    limit 5
$$;

COMMENT ON FUNCTION core.webhook_nonces(slug text, integration_type text, name text) IS 'What the secrets of an integration''s webhook are derived from, the newest first. Useless without PULSE_WEBHOOK_SECRET.';

CREATE FUNCTION core.within_sentence(label text) RETURNS text
    LANGUAGE sql STABLE PARALLEL SAFE
    RETURN CASE core.language() WHEN 'en'::text THEN (lower("left"(label, 1)) || substr(label, 2)) ELSE label END;

COMMENT ON FUNCTION core.within_sentence(label text) IS 'A label within a sentence.';

CREATE FUNCTION core.worked_hours(moment timestamp with time zone) RETURNS double precision
    LANGUAGE sql STABLE PARALLEL SAFE
    AS $$
    select worked_hours_before + case when is_working then extract(epoch from moment - starts_at)::double precision / 3600 else 0 end
    from core.client_calendar
    where client_id = (select core.etl_client_id()) and starts_at <= moment
    order by starts_at desc limit 1
$$;

COMMENT ON FUNCTION core.worked_hours(moment timestamp with time zone) IS 'Working hours from the start of the client''s calendar to a moment.';

CREATE VIEW audit.events WITH (security_invoker='true') AS
 SELECT l.at,
    l.kind,
    l.who,
    l.address AS from_where,
    c.slug AS client,
    l.what,
    l.login,
    l.id
   FROM (audit.log l
     LEFT JOIN core.clients c ON ((c.id = l.client_id)));

COMMENT ON VIEW audit.events IS 'Who did what, when and from where, for staff. docs/audit.md lists the kinds.';

CREATE SEQUENCE core.record_ids
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1;

GRANT USAGE ON SCHEMA audit TO pulse_staff;
GRANT USAGE ON SCHEMA audit TO pulse_auth;
GRANT USAGE ON SCHEMA audit TO pulse_admin;

GRANT USAGE ON SCHEMA core TO pulse_etl;
GRANT USAGE ON SCHEMA core TO pulse_admin;
GRANT USAGE ON SCHEMA core TO pulse_auth;
GRANT USAGE ON SCHEMA core TO pulse_staff;
GRANT USAGE ON SCHEMA core TO pulse_reader;
GRANT USAGE ON SCHEMA core TO pulse_ingest;

GRANT USAGE ON SCHEMA raw TO pulse_etl;
GRANT USAGE ON SCHEMA raw TO pulse_ingest;

GRANT USAGE ON SCHEMA report TO pulse_staff;
GRANT USAGE ON SCHEMA report TO pulse_reader;
GRANT USAGE ON SCHEMA report TO pulse_etl;

REVOKE ALL ON FUNCTION audit.add(kind text, client integer, what text) FROM PUBLIC;

REVOKE ALL ON FUNCTION audit.clients() FROM PUBLIC;

REVOKE ALL ON FUNCTION audit.embed_keys() FROM PUBLIC;

REVOKE ALL ON FUNCTION audit.forget_old() FROM PUBLIC;
GRANT ALL ON FUNCTION audit.forget_old() TO pulse_admin;

REVOKE ALL ON FUNCTION audit.keep() FROM PUBLIC;

REVOKE ALL ON FUNCTION audit.keys() FROM PUBLIC;

REVOKE ALL ON FUNCTION audit.links() FROM PUBLIC;

REVOKE ALL ON FUNCTION audit.note(kind text, who text, address text, client_id integer, what text, at timestamp with time zone, ref uuid) FROM PUBLIC;
GRANT ALL ON FUNCTION audit.note(kind text, who text, address text, client_id integer, what text, at timestamp with time zone, ref uuid) TO pulse_auth;
GRANT ALL ON FUNCTION audit.note(kind text, who text, address text, client_id integer, what text, at timestamp with time zone, ref uuid) TO pulse_admin;

REVOKE ALL ON FUNCTION audit.people() FROM PUBLIC;

REVOKE ALL ON FUNCTION audit.reports() FROM PUBLIC;

REVOKE ALL ON FUNCTION audit.settings() FROM PUBLIC;

REVOKE ALL ON FUNCTION audit.sources() FROM PUBLIC;

REVOKE ALL ON FUNCTION core.language() FROM PUBLIC;
GRANT ALL ON FUNCTION core.language() TO pulse_etl;
GRANT ALL ON FUNCTION core.language() TO pulse_staff;
GRANT ALL ON FUNCTION core.language() TO pulse_reader;

REVOKE ALL ON FUNCTION core.translated(in_language text, source text) FROM PUBLIC;
GRANT ALL ON FUNCTION core.translated(in_language text, source text) TO pulse_etl;
GRANT ALL ON FUNCTION core.translated(in_language text, source text) TO pulse_staff;
GRANT ALL ON FUNCTION core.translated(in_language text, source text) TO pulse_reader;

REVOKE ALL ON FUNCTION core.say(source text) FROM PUBLIC;
GRANT ALL ON FUNCTION core.say(source text) TO pulse_etl;
GRANT ALL ON FUNCTION core.say(source text) TO pulse_staff;
GRANT ALL ON FUNCTION core.say(source text) TO pulse_reader;

REVOKE ALL ON FUNCTION core.cause_text(cause text) FROM PUBLIC;
GRANT ALL ON FUNCTION core.cause_text(cause text) TO pulse_staff;
GRANT ALL ON FUNCTION core.cause_text(cause text) TO pulse_reader;

REVOKE ALL ON FUNCTION core.claim_runs(named text[], left_out text[]) FROM PUBLIC;
GRANT ALL ON FUNCTION core.claim_runs(named text[], left_out text[]) TO pulse_ingest;

REVOKE ALL ON FUNCTION core.client_admin(session_hash text) FROM PUBLIC;

REVOKE ALL ON FUNCTION core.day_text(day date) FROM PUBLIC;
GRANT ALL ON FUNCTION core.day_text(day date) TO pulse_staff;
GRANT ALL ON FUNCTION core.day_text(day date) TO pulse_reader;

REVOKE ALL ON FUNCTION core.deployment_name(ref_name text, sha text) FROM PUBLIC;
GRANT ALL ON FUNCTION core.deployment_name(ref_name text, sha text) TO pulse_etl;
GRANT ALL ON FUNCTION core.deployment_name(ref_name text, sha text) TO pulse_staff;
GRANT ALL ON FUNCTION core.deployment_name(ref_name text, sha text) TO pulse_reader;

REVOKE ALL ON FUNCTION core.figures(number text) FROM PUBLIC;
GRANT ALL ON FUNCTION core.figures(number text) TO pulse_etl;
GRANT ALL ON FUNCTION core.figures(number text) TO pulse_staff;
GRANT ALL ON FUNCTION core.figures(number text) TO pulse_reader;

REVOKE ALL ON FUNCTION core.percent(share double precision, decimals integer, down boolean) FROM PUBLIC;
GRANT ALL ON FUNCTION core.percent(share double precision, decimals integer, down boolean) TO pulse_etl;
GRANT ALL ON FUNCTION core.percent(share double precision, decimals integer, down boolean) TO pulse_staff;
GRANT ALL ON FUNCTION core.percent(share double precision, decimals integer, down boolean) TO pulse_reader;

REVOKE ALL ON FUNCTION core.display_text(unit text, value double precision) FROM PUBLIC;
GRANT ALL ON FUNCTION core.display_text(unit text, value double precision) TO pulse_etl;
GRANT ALL ON FUNCTION core.display_text(unit text, value double precision) TO pulse_staff;
GRANT ALL ON FUNCTION core.display_text(unit text, value double precision) TO pulse_reader;

REVOKE ALL ON FUNCTION core.difference_text(unit text, difference double precision) FROM PUBLIC;
GRANT ALL ON FUNCTION core.difference_text(unit text, difference double precision) TO pulse_staff;
GRANT ALL ON FUNCTION core.difference_text(unit text, difference double precision) TO pulse_reader;

REVOKE ALL ON FUNCTION core.effect_label(effect text) FROM PUBLIC;
GRANT ALL ON FUNCTION core.effect_label(effect text) TO pulse_staff;
GRANT ALL ON FUNCTION core.effect_label(effect text) TO pulse_reader;

REVOKE ALL ON FUNCTION core.elapsed_hours(from_at timestamp with time zone, to_at timestamp with time zone, working boolean) FROM PUBLIC;
GRANT ALL ON FUNCTION core.elapsed_hours(from_at timestamp with time zone, to_at timestamp with time zone, working boolean) TO pulse_etl;

REVOKE ALL ON FUNCTION core.embed_key(key_hash text, of_client integer, with_id bigint) FROM PUBLIC;
GRANT ALL ON FUNCTION core.embed_key(key_hash text, of_client integer, with_id bigint) TO pulse_auth;

REVOKE ALL ON FUNCTION core.end_client_sessions() FROM PUBLIC;
GRANT ALL ON FUNCTION core.end_client_sessions() TO pulse_admin;

REVOKE ALL ON FUNCTION core.end_long_queries(seconds integer) FROM PUBLIC;
GRANT ALL ON FUNCTION core.end_long_queries(seconds integer) TO pulse_auth;

REVOKE ALL ON FUNCTION core.end_sessions() FROM PUBLIC;
GRANT ALL ON FUNCTION core.end_sessions() TO pulse_admin;

REVOKE ALL ON FUNCTION core.enqueue_dora() FROM PUBLIC;
GRANT ALL ON FUNCTION core.enqueue_dora() TO pulse_etl;

REVOKE ALL ON FUNCTION core.ensure_client_role(client_id integer, verifier text, active boolean) FROM PUBLIC;
GRANT ALL ON FUNCTION core.ensure_client_role(client_id integer, verifier text, active boolean) TO pulse_admin;

REVOKE ALL ON FUNCTION core.erased_people() FROM PUBLIC;
GRANT ALL ON FUNCTION core.erased_people() TO pulse_etl;
GRANT ALL ON FUNCTION core.erased_people() TO pulse_ingest;

REVOKE ALL ON FUNCTION core.etl_client_id() FROM PUBLIC;
GRANT ALL ON FUNCTION core.etl_client_id() TO pulse_etl;

REVOKE ALL ON FUNCTION core.hours_between(from_at timestamp with time zone, to_at timestamp with time zone) FROM PUBLIC;
GRANT ALL ON FUNCTION core.hours_between(from_at timestamp with time zone, to_at timestamp with time zone) TO pulse_etl;
GRANT ALL ON FUNCTION core.hours_between(from_at timestamp with time zone, to_at timestamp with time zone) TO pulse_staff;
GRANT ALL ON FUNCTION core.hours_between(from_at timestamp with time zone, to_at timestamp with time zone) TO pulse_reader;

REVOKE ALL ON FUNCTION core.ingest_source() FROM PUBLIC;
GRANT ALL ON FUNCTION core.ingest_source() TO pulse_ingest;

REVOKE ALL ON FUNCTION core.invite_person(session_hash text, email text, full_name text) FROM PUBLIC;
GRANT ALL ON FUNCTION core.invite_person(session_hash text, email text, full_name text) TO pulse_auth;

REVOKE ALL ON FUNCTION core.likely_range(unit text, value double precision, cases double precision) FROM PUBLIC;
GRANT ALL ON FUNCTION core.likely_range(unit text, value double precision, cases double precision) TO pulse_staff;
GRANT ALL ON FUNCTION core.likely_range(unit text, value double precision, cases double precision) TO pulse_reader;

REVOKE ALL ON FUNCTION core.look_link(token_hash text) FROM PUBLIC;
GRANT ALL ON FUNCTION core.look_link(token_hash text) TO pulse_auth;

REVOKE ALL ON FUNCTION core.merge_of(change_id text) FROM PUBLIC;
GRANT ALL ON FUNCTION core.merge_of(change_id text) TO pulse_etl;

REVOKE ALL ON FUNCTION core.month_text(day date) FROM PUBLIC;
GRANT ALL ON FUNCTION core.month_text(day date) TO pulse_staff;
GRANT ALL ON FUNCTION core.month_text(day date) TO pulse_reader;

REVOKE ALL ON FUNCTION core.open_to_ingest(target regclass, rights text) FROM PUBLIC;

REVOKE ALL ON FUNCTION core.people(session_hash text) FROM PUBLIC;
GRANT ALL ON FUNCTION core.people(session_hash text) TO pulse_auth;

REVOKE ALL ON FUNCTION core.period_start(grain text, day date, week_shift integer) FROM PUBLIC;
GRANT ALL ON FUNCTION core.period_start(grain text, day date, week_shift integer) TO pulse_etl;
GRANT ALL ON FUNCTION core.period_start(grain text, day date, week_shift integer) TO pulse_staff;
GRANT ALL ON FUNCTION core.period_start(grain text, day date, week_shift integer) TO pulse_reader;

REVOKE ALL ON FUNCTION core.protect_table(target regclass, etl boolean, staff boolean, reader boolean) FROM PUBLIC;

REVOKE ALL ON FUNCTION core.raise_data_version() FROM PUBLIC;

REVOKE ALL ON FUNCTION core.range_text(unit text, low double precision, high double precision) FROM PUBLIC;
GRANT ALL ON FUNCTION core.range_text(unit text, low double precision, high double precision) TO pulse_staff;
GRANT ALL ON FUNCTION core.range_text(unit text, low double precision, high double precision) TO pulse_reader;

REVOKE ALL ON FUNCTION core.reader_client_id() FROM PUBLIC;
GRANT ALL ON FUNCTION core.reader_client_id() TO pulse_reader;

REVOKE ALL ON FUNCTION core.remove_person(session_hash text, email text) FROM PUBLIC;
GRANT ALL ON FUNCTION core.remove_person(session_hash text, email text) TO pulse_auth;

REVOKE ALL ON FUNCTION core.request_link(email text) FROM PUBLIC;
GRANT ALL ON FUNCTION core.request_link(email text) TO pulse_auth;

REVOKE ALL ON FUNCTION core.run_started(slug text, wished bigint) FROM PUBLIC;
GRANT ALL ON FUNCTION core.run_started(slug text, wished bigint) TO pulse_ingest;

REVOKE ALL ON FUNCTION core.search_pattern(pattern text) FROM PUBLIC;
GRANT ALL ON FUNCTION core.search_pattern(pattern text) TO pulse_etl;

REVOKE ALL ON FUNCTION core.search_pattern(patterns jsonb) FROM PUBLIC;
GRANT ALL ON FUNCTION core.search_pattern(patterns jsonb) TO pulse_etl;

REVOKE ALL ON FUNCTION core.setting(key text, fallback jsonb) FROM PUBLIC;
GRANT ALL ON FUNCTION core.setting(key text, fallback jsonb) TO pulse_etl;

REVOKE ALL ON FUNCTION core.shown_person(client integer, person text) FROM PUBLIC;
GRANT ALL ON FUNCTION core.shown_person(client integer, person text) TO pulse_staff;
GRANT ALL ON FUNCTION core.shown_person(client integer, person text) TO pulse_reader;

REVOKE ALL ON FUNCTION core.sso_client(provider text, domain text) FROM PUBLIC;
GRANT ALL ON FUNCTION core.sso_client(provider text, domain text) TO pulse_auth;

REVOKE ALL ON FUNCTION core.sso_sign_in(provider text, everyone boolean, email text, subject text, full_name text, role text) FROM PUBLIC;
GRANT ALL ON FUNCTION core.sso_sign_in(provider text, everyone boolean, email text, subject text, full_name text, role text) TO pulse_auth;

REVOKE ALL ON FUNCTION core.stop_report(token_hash text) FROM PUBLIC;
GRANT ALL ON FUNCTION core.stop_report(token_hash text) TO pulse_auth;

REVOKE ALL ON FUNCTION core.take_link(token_hash text, password_hash text) FROM PUBLIC;
GRANT ALL ON FUNCTION core.take_link(token_hash text, password_hash text) TO pulse_auth;

REVOKE ALL ON FUNCTION core.tell_clients_moved() FROM PUBLIC;

REVOKE ALL ON FUNCTION core.unprotected_tables() FROM PUBLIC;

REVOKE ALL ON FUNCTION core.url_part(value text) FROM PUBLIC;
GRANT ALL ON FUNCTION core.url_part(value text) TO pulse_staff;
GRANT ALL ON FUNCTION core.url_part(value text) TO pulse_reader;

REVOKE ALL ON FUNCTION core.verdict_text(verdict text, unit text, low double precision, high double precision, since date, history integer, needed integer) FROM PUBLIC;
GRANT ALL ON FUNCTION core.verdict_text(verdict text, unit text, low double precision, high double precision, since date, history integer, needed integer) TO pulse_staff;
GRANT ALL ON FUNCTION core.verdict_text(verdict text, unit text, low double precision, high double precision, since date, history integer, needed integer) TO pulse_reader;

REVOKE ALL ON FUNCTION core.webhook_nonces(slug text, integration_type text, name text) FROM PUBLIC;
GRANT ALL ON FUNCTION core.webhook_nonces(slug text, integration_type text, name text) TO pulse_ingest;

REVOKE ALL ON FUNCTION core.within_sentence(label text) FROM PUBLIC;
GRANT ALL ON FUNCTION core.within_sentence(label text) TO pulse_staff;
GRANT ALL ON FUNCTION core.within_sentence(label text) TO pulse_reader;

REVOKE ALL ON FUNCTION core.worked_hours(moment timestamp with time zone) FROM PUBLIC;
GRANT ALL ON FUNCTION core.worked_hours(moment timestamp with time zone) TO pulse_etl;

GRANT USAGE ON SEQUENCE core.record_ids TO pulse_etl;

-- audit.events --------------------------------------------------------------------------------------------------------
GRANT SELECT ON TABLE audit.events TO pulse_staff;

-- audit.log -----------------------------------------------------------------------------------------------------------
CREATE TABLE audit.log (
    id bigint NOT NULL,
    ref uuid DEFAULT gen_random_uuid() NOT NULL,
    at timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    kind text NOT NULL,
    who text NOT NULL,
    address text DEFAULT ''::text NOT NULL,
    client_id integer,
    what text DEFAULT ''::text NOT NULL,
    login text DEFAULT SESSION_USER NOT NULL,
    CONSTRAINT log_kind_check CHECK ((kind ~ '^[a-z][a-z ]{1,39}$'::text))
);
ALTER TABLE ONLY audit.log FORCE ROW LEVEL SECURITY;
COMMENT ON TABLE audit.log IS 'One row per event. Nobody, the owner included, can change one, or delete one that is younger than a year.';
COMMENT ON COLUMN audit.log.ref IS 'Made by whoever notes the event, so that it is there once, however often it is written.';
COMMENT ON COLUMN audit.log.who IS 'The person''s e-mail address or name; of what a process does by itself, its name.';
COMMENT ON COLUMN audit.log.address IS 'The network address that the person came from; empty for processes.';
COMMENT ON COLUMN audit.log.login IS 'The database login that wrote the row.';
ALTER TABLE audit.log ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME audit.log_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);
ALTER TABLE ONLY audit.log ADD CONSTRAINT log_pkey PRIMARY KEY (id);
ALTER TABLE ONLY audit.log ADD CONSTRAINT log_ref_key UNIQUE (ref);
CREATE INDEX log_at ON audit.log USING btree (at);
CREATE INDEX log_client ON audit.log USING btree (client_id, at);
CREATE TRIGGER keep BEFORE DELETE OR UPDATE ON audit.log FOR EACH ROW EXECUTE FUNCTION audit.keep();
CREATE TRIGGER keep_all BEFORE TRUNCATE ON audit.log FOR EACH STATEMENT EXECUTE FUNCTION audit.keep();
CREATE POLICY added ON audit.log FOR INSERT TO pulse_owner WITH CHECK (true);
ALTER TABLE audit.log ENABLE ROW LEVEL SECURITY;
CREATE POLICY old ON audit.log FOR DELETE TO pulse_owner USING ((at < (now() - '1 year'::interval)));
CREATE POLICY owner ON audit.log FOR SELECT TO pulse_owner USING (((SESSION_USER = 'pulse_owner'::name) OR (at < (now() - '1 year'::interval))));
CREATE POLICY staff ON audit.log FOR SELECT TO pulse_staff USING (true);
GRANT SELECT ON TABLE audit.log TO pulse_staff;

-- core.alerts ---------------------------------------------------------------------------------------------------------
CREATE TABLE core.alerts (
    id bigint NOT NULL,
    client_id integer NOT NULL,
    kind text NOT NULL,
    cause text NOT NULL,
    begun_at timestamp with time zone DEFAULT now() NOT NULL,
    told_at timestamp with time zone,
    over_at timestamp with time zone,
    over_told_at timestamp with time zone
);
ALTER TABLE ONLY core.alerts FORCE ROW LEVEL SECURITY;
COMMENT ON TABLE core.alerts IS 'One row per client and problem, from its beginning to its end. kind: the state of the client and, of a failure, its class; clients with the same kind are told of in one message. told_at, over_told_at: when the mail server took it.';
ALTER TABLE core.alerts ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME core.alerts_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);
ALTER TABLE ONLY core.alerts ADD CONSTRAINT alerts_pkey PRIMARY KEY (client_id, id);
CREATE UNIQUE INDEX alerts_open ON core.alerts USING btree (client_id, kind) WHERE (over_at IS NULL);
ALTER TABLE ONLY core.alerts ADD CONSTRAINT alerts_client_id_fkey FOREIGN KEY (client_id) REFERENCES core.clients(id);
CREATE POLICY admin ON core.alerts TO pulse_admin USING (true);
ALTER TABLE core.alerts ENABLE ROW LEVEL SECURITY;
CREATE POLICY owner ON core.alerts TO pulse_owner USING ((SESSION_USER = 'pulse_owner'::name));
GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE core.alerts TO pulse_admin;

-- core.backups --------------------------------------------------------------------------------------------------------
CREATE TABLE core.backups (
    server text NOT NULL,
    taken_at timestamp with time zone NOT NULL,
    noted_at timestamp with time zone DEFAULT now() NOT NULL,
    CONSTRAINT backups_server_check CHECK ((server ~ '^[a-z][a-z0-9_-]{0,62}$'::text))
);
ALTER TABLE ONLY core.backups FORCE ROW LEVEL SECURITY;
COMMENT ON TABLE core.backups IS 'One row per server: when its newest backup was taken. The keeper of ./pulse writes it; so does, as pulse_admin, whatever else makes backups (docs/maintenance.md).';
ALTER TABLE ONLY core.backups ADD CONSTRAINT backups_pkey PRIMARY KEY (server);
CREATE POLICY admin ON core.backups TO pulse_admin USING (true);
ALTER TABLE core.backups ENABLE ROW LEVEL SECURITY;
CREATE POLICY staff ON core.backups FOR SELECT TO pulse_staff USING (true);
GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE core.backups TO pulse_admin;
GRANT SELECT ON TABLE core.backups TO pulse_staff;

-- core.benchmark_means ------------------------------------------------------------------------------------------------
CREATE TABLE core.benchmark_means (
    metric_type text NOT NULL,
    year integer NOT NULL,
    population text NOT NULL,
    group_key text NOT NULL,
    group_label text NOT NULL,
    mean double precision NOT NULL,
    deviation double precision NOT NULL,
    published_mean double precision NOT NULL,
    source text NOT NULL,
    is_primary boolean NOT NULL,
    CONSTRAINT benchmark_means_population_check CHECK ((population = ANY (ARRAY['industry'::text, 'size'::text])))
);
COMMENT ON TABLE core.benchmark_means IS 'One row per metric, year and industry or size of the DORA survey: mean and standard deviation of the answers, as scores from 0 to 10 (core.benchmark_scale), or as tenths of a ratio. published_mean: as the source writes it.';
ALTER TABLE ONLY core.benchmark_means ADD CONSTRAINT benchmark_means_pkey PRIMARY KEY (metric_type, year, population, group_key);
GRANT SELECT ON TABLE core.benchmark_means TO pulse_etl;
GRANT SELECT ON TABLE core.benchmark_means TO pulse_staff;
GRANT SELECT ON TABLE core.benchmark_means TO pulse_reader;

-- core.benchmark_scale ------------------------------------------------------------------------------------------------
CREATE TABLE core.benchmark_scale (
    metric_type text NOT NULL,
    score integer NOT NULL,
    label text NOT NULL,
    lower_bound double precision NOT NULL,
    upper_bound double precision
);
COMMENT ON TABLE core.benchmark_scale IS 'One row per answer that the DORA survey offers, with its score, and the values (lower_bound <= value < upper_bound) that it means.';
ALTER TABLE ONLY core.benchmark_scale ADD CONSTRAINT benchmark_scale_pkey PRIMARY KEY (metric_type, score);
GRANT SELECT ON TABLE core.benchmark_scale TO pulse_etl;
GRANT SELECT ON TABLE core.benchmark_scale TO pulse_staff;
GRANT SELECT ON TABLE core.benchmark_scale TO pulse_reader;

-- core.benchmarks -----------------------------------------------------------------------------------------------------
CREATE TABLE core.benchmarks (
    metric_type text NOT NULL,
    year integer NOT NULL,
    kind text NOT NULL,
    label text NOT NULL,
    lower_bound double precision,
    upper_bound double precision,
    cumulative_share double precision,
    published_text text NOT NULL,
    source text NOT NULL,
    is_primary boolean DEFAULT false NOT NULL,
    CONSTRAINT benchmarks_kind_check CHECK ((kind = ANY (ARRAY['tier'::text, 'distribution'::text])))
);
COMMENT ON TABLE core.benchmarks IS 'One row per tier or point of a published benchmark: reference data, the same for every client. A value belongs to the row with lower_bound <= value < upper_bound (hours, per day, ratio); the tiers of the change failure rate are points. Of kind distribution: cumulative_share of teams do at least as well.';
COMMENT ON COLUMN core.benchmarks.is_primary IS 'The source is the publisher itself, not somebody who quotes it.';
ALTER TABLE ONLY core.benchmarks ADD CONSTRAINT benchmarks_pkey PRIMARY KEY (metric_type, year, label);
GRANT SELECT,MAINTAIN ON TABLE core.benchmarks TO pulse_etl;
GRANT SELECT ON TABLE core.benchmarks TO pulse_staff;
GRANT SELECT ON TABLE core.benchmarks TO pulse_reader;

-- core.boards ---------------------------------------------------------------------------------------------------------
CREATE TABLE core.boards (
    client_id integer NOT NULL,
    integration_id bigint NOT NULL,
    id bigint NOT NULL,
    name text NOT NULL,
    board_type text NOT NULL,
    project_key text,
    deleted_at timestamp with time zone
);
ALTER TABLE ONLY core.boards FORCE ROW LEVEL SECURITY;
COMMENT ON TABLE core.boards IS 'One row per agile board.';
ALTER TABLE ONLY core.boards ADD CONSTRAINT boards_pkey PRIMARY KEY (client_id, integration_id, id);
ALTER TABLE ONLY core.boards ADD CONSTRAINT boards_client_id_integration_id_fkey FOREIGN KEY (client_id, integration_id) REFERENCES core.integrations(client_id, id);
ALTER TABLE core.boards ENABLE ROW LEVEL SECURITY;
CREATE POLICY etl ON core.boards TO pulse_etl USING ((client_id = ( SELECT core.etl_client_id() AS etl_client_id)));
CREATE POLICY owner ON core.boards TO pulse_owner USING ((SESSION_USER = 'pulse_owner'::name));
CREATE POLICY reader ON core.boards FOR SELECT TO pulse_reader USING ((client_id = ( SELECT core.reader_client_id() AS reader_client_id)));
CREATE POLICY staff ON core.boards FOR SELECT TO pulse_staff USING (true);
GRANT SELECT,INSERT,DELETE,MAINTAIN,UPDATE ON TABLE core.boards TO pulse_etl;
GRANT SELECT ON TABLE core.boards TO pulse_staff;
GRANT SELECT ON TABLE core.boards TO pulse_reader;

-- core.carried_pull_requests ------------------------------------------------------------------------------------------
CREATE TABLE core.carried_pull_requests (
    client_id integer NOT NULL,
    integration_id bigint NOT NULL,
    pull_request_id bigint NOT NULL,
    carried_by bigint NOT NULL,
    came_first boolean NOT NULL
);
ALTER TABLE ONLY core.carried_pull_requests FORCE ROW LEVEL SECURITY;
COMMENT ON TABLE core.carried_pull_requests IS 'One row per pull request that was merged into another branch, and pull request that has its merge commit. came_first: it was merged before that one was opened.';
ALTER TABLE ONLY core.carried_pull_requests ADD CONSTRAINT carried_pull_requests_pkey PRIMARY KEY (client_id, integration_id, pull_request_id, carried_by);
CREATE INDEX carried_pull_requests_carrier ON core.carried_pull_requests USING btree (client_id, integration_id, carried_by);
ALTER TABLE core.carried_pull_requests ENABLE ROW LEVEL SECURITY;
CREATE POLICY etl ON core.carried_pull_requests TO pulse_etl USING ((client_id = ( SELECT core.etl_client_id() AS etl_client_id)));
CREATE POLICY owner ON core.carried_pull_requests TO pulse_owner USING ((SESSION_USER = 'pulse_owner'::name));
CREATE POLICY reader ON core.carried_pull_requests FOR SELECT TO pulse_reader USING ((client_id = ( SELECT core.reader_client_id() AS reader_client_id)));
CREATE POLICY staff ON core.carried_pull_requests FOR SELECT TO pulse_staff USING (true);
GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE core.carried_pull_requests TO pulse_etl;
GRANT SELECT ON TABLE core.carried_pull_requests TO pulse_staff;
GRANT SELECT ON TABLE core.carried_pull_requests TO pulse_reader;

-- core.change_references ----------------------------------------------------------------------------------------------
CREATE TABLE core.change_references (
    client_id integer NOT NULL,
    change_id text NOT NULL,
    issue_key text NOT NULL
);
ALTER TABLE ONLY core.change_references FORCE ROW LEVEL SECURITY;
COMMENT ON TABLE core.change_references IS 'One row per issue that a change names in its title or branch, or that its pull request closes: a Jira key (OPS-12), or a GitHub issue as owner/repository#12.';
ALTER TABLE ONLY core.change_references ADD CONSTRAINT change_references_pkey PRIMARY KEY (client_id, issue_key, change_id);
ALTER TABLE core.change_references ENABLE ROW LEVEL SECURITY;
CREATE POLICY etl ON core.change_references TO pulse_etl USING ((client_id = ( SELECT core.etl_client_id() AS etl_client_id)));
CREATE POLICY owner ON core.change_references TO pulse_owner USING ((SESSION_USER = 'pulse_owner'::name));
CREATE POLICY reader ON core.change_references FOR SELECT TO pulse_reader USING ((client_id = ( SELECT core.reader_client_id() AS reader_client_id)));
CREATE POLICY staff ON core.change_references FOR SELECT TO pulse_staff USING (true);
GRANT SELECT,INSERT,DELETE,MAINTAIN,UPDATE ON TABLE core.change_references TO pulse_etl;
GRANT SELECT ON TABLE core.change_references TO pulse_staff;
GRANT SELECT ON TABLE core.change_references TO pulse_reader;

-- core.changes --------------------------------------------------------------------------------------------------------
CREATE TABLE core.changes (
    client_id integer NOT NULL,
    id text NOT NULL,
    service_id text NOT NULL,
    integration_id bigint NOT NULL,
    repository_id bigint,
    pull_request_id bigint,
    number integer,
    title text NOT NULL,
    url text,
    author text,
    is_bot boolean DEFAULT false NOT NULL,
    is_revert boolean DEFAULT false NOT NULL,
    reverts_change_id text,
    is_hotfix boolean DEFAULT false NOT NULL,
    first_commit_at timestamp with time zone,
    opened_at timestamp with time zone NOT NULL,
    first_review_at timestamp with time zone,
    approved_at timestamp with time zone,
    merged_at timestamp with time zone NOT NULL,
    merge_commit_sha text,
    merge_position bigint,
    additions integer DEFAULT 0 NOT NULL,
    deletions integer DEFAULT 0 NOT NULL,
    changed_files integer DEFAULT 0 NOT NULL,
    commit_count integer DEFAULT 0 NOT NULL,
    review_count integer DEFAULT 0 NOT NULL,
    head_branch text,
    merged_on date,
    comment_count integer DEFAULT 0 NOT NULL,
    changes_requested_count integer DEFAULT 0 NOT NULL,
    reopened_count integer DEFAULT 0 NOT NULL,
    is_reviewed boolean DEFAULT false NOT NULL,
    coding_hours double precision,
    pickup_hours double precision,
    review_hours double precision,
    issue_keys text[] DEFAULT '{}'::text[] NOT NULL,
    merged_into text,
    carried_by text,
    carries_others boolean DEFAULT false NOT NULL,
    assisted_by text[] DEFAULT '{}'::text[] NOT NULL,
    ai text,
    CONSTRAINT changes_ai_check CHECK ((ai = ANY (ARRAY['agent'::text, 'assistant'::text])))
);
ALTER TABLE ONLY core.changes FORCE ROW LEVEL SECURITY;
COMMENT ON COLUMN core.changes.merged_on IS 'Day of the merge in the client''s time zone.';
COMMENT ON COLUMN core.changes.is_reviewed IS 'Somebody other than the author reviewed it before the merge.';
COMMENT ON COLUMN core.changes.issue_keys IS 'The issues that title, branch and pull request name, in order.';
COMMENT ON COLUMN core.changes.merged_into IS 'The branch it was merged into, where that is not a production branch: it came to production with that branch.';
COMMENT ON COLUMN core.changes.carried_by IS 'The change whose pull request brought it to a production branch, where GitHub lists its merge commit there.';
COMMENT ON COLUMN core.changes.carries_others IS 'Its pull request was opened to bring others, merged before into its branch: these are the changes.';
COMMENT ON COLUMN core.changes.assisted_by IS 'The AI assistants of which the pull request or the commit that it was merged as bears a sign, sorted.';
COMMENT ON COLUMN core.changes.ai IS 'agent: opened by a coding agent (dora.agents); assistant: bears the sign of one; NULL: no sign, which proves nothing.';
ALTER TABLE ONLY core.changes ADD CONSTRAINT changes_pkey PRIMARY KEY (client_id, id);
CREATE INDEX changes_custom_sha ON core.changes USING btree (client_id, merge_commit_sha) WHERE (pull_request_id IS NULL);
CREATE INDEX changes_custom_url ON core.changes USING btree (client_id, url) WHERE (pull_request_id IS NULL);
CREATE INDEX changes_flagged ON core.changes USING btree (client_id, id) WHERE (is_hotfix OR is_revert);
CREATE INDEX changes_merged ON core.changes USING btree (client_id, merged_at);
CREATE INDEX changes_position ON core.changes USING btree (client_id, service_id, merge_position);
CREATE INDEX changes_service_merged ON core.changes USING btree (client_id, service_id, merged_on);
CREATE INDEX changes_undone ON core.changes USING btree (client_id, reverts_change_id) WHERE (reverts_change_id IS NOT NULL);
ALTER TABLE core.changes ENABLE ROW LEVEL SECURITY;
CREATE POLICY etl ON core.changes TO pulse_etl USING ((client_id = ( SELECT core.etl_client_id() AS etl_client_id)));
CREATE POLICY owner ON core.changes TO pulse_owner USING ((SESSION_USER = 'pulse_owner'::name));
CREATE POLICY reader ON core.changes FOR SELECT TO pulse_reader USING ((client_id = ( SELECT core.reader_client_id() AS reader_client_id)));
CREATE POLICY staff ON core.changes FOR SELECT TO pulse_staff USING (true);
GRANT SELECT,INSERT,DELETE,MAINTAIN,UPDATE ON TABLE core.changes TO pulse_etl;
GRANT SELECT ON TABLE core.changes TO pulse_staff;
GRANT SELECT ON TABLE core.changes TO pulse_reader;

-- core.client_calendar ------------------------------------------------------------------------------------------------
CREATE TABLE core.client_calendar (
    client_id integer NOT NULL,
    day date NOT NULL,
    starts_at timestamp with time zone NOT NULL,
    is_working boolean NOT NULL,
    worked_hours_before double precision NOT NULL,
    worked_days_before integer NOT NULL
);
ALTER TABLE ONLY core.client_calendar FORCE ROW LEVEL SECURITY;
COMMENT ON TABLE core.client_calendar IS 'One row per day of a client that counts working days (dora.working_calendar): when it starts, and how many working hours and days came before it.';
ALTER TABLE ONLY core.client_calendar ADD CONSTRAINT client_calendar_pkey PRIMARY KEY (client_id, day);
CREATE INDEX client_calendar_start ON core.client_calendar USING btree (client_id, starts_at);
ALTER TABLE ONLY core.client_calendar ADD CONSTRAINT client_calendar_client_id_fkey FOREIGN KEY (client_id) REFERENCES core.clients(id);
ALTER TABLE core.client_calendar ENABLE ROW LEVEL SECURITY;
CREATE POLICY etl ON core.client_calendar TO pulse_etl USING ((client_id = ( SELECT core.etl_client_id() AS etl_client_id)));
CREATE POLICY owner ON core.client_calendar TO pulse_owner USING ((SESSION_USER = 'pulse_owner'::name));
CREATE POLICY reader ON core.client_calendar FOR SELECT TO pulse_reader USING ((client_id = ( SELECT core.reader_client_id() AS reader_client_id)));
CREATE POLICY staff ON core.client_calendar FOR SELECT TO pulse_staff USING (true);
GRANT SELECT,INSERT,DELETE,MAINTAIN,UPDATE ON TABLE core.client_calendar TO pulse_etl;
GRANT SELECT ON TABLE core.client_calendar TO pulse_staff;
GRANT SELECT ON TABLE core.client_calendar TO pulse_reader;

-- core.clients --------------------------------------------------------------------------------------------------------
CREATE TABLE core.clients (
    id integer NOT NULL,
    slug text NOT NULL,
    name text NOT NULL,
    time_zone text DEFAULT 'UTC'::text NOT NULL,
    active boolean DEFAULT true NOT NULL,
    spec_hash text DEFAULT ''::text NOT NULL,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    updated_at timestamp with time zone DEFAULT now() NOT NULL,
    language text DEFAULT 'en'::text NOT NULL,
    CONSTRAINT clients_language_check CHECK ((language = ANY (ARRAY['en'::text, 'de'::text]))),
    CONSTRAINT clients_name_check CHECK ((name <> ''::text)),
    CONSTRAINT clients_slug_check CHECK ((slug ~ '^[a-z][a-z0-9_]{1,39}$'::text))
);
ALTER TABLE ONLY core.clients FORCE ROW LEVEL SECURITY;
COMMENT ON COLUMN core.clients.language IS 'The language of its people, unless a person has another one.';
ALTER TABLE core.clients ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME core.clients_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);
ALTER TABLE ONLY core.clients ADD CONSTRAINT clients_pkey PRIMARY KEY (id);
ALTER TABLE ONLY core.clients ADD CONSTRAINT clients_slug_key UNIQUE (slug);
CREATE TRIGGER audit AFTER INSERT OR UPDATE ON core.clients FOR EACH ROW EXECUTE FUNCTION audit.clients();
CREATE TRIGGER end_client_sessions AFTER UPDATE ON core.clients FOR EACH ROW WHEN ((old.active AND (NOT new.active))) EXECUTE FUNCTION core.end_client_sessions();
CREATE TRIGGER tell AFTER INSERT OR UPDATE ON core.clients FOR EACH STATEMENT EXECUTE FUNCTION core.tell_clients_moved();
CREATE POLICY admin ON core.clients TO pulse_admin USING (true);
CREATE POLICY auth ON core.clients FOR SELECT TO pulse_auth USING (true);
ALTER TABLE core.clients ENABLE ROW LEVEL SECURITY;
CREATE POLICY etl ON core.clients FOR SELECT TO pulse_etl USING ((id = ( SELECT core.etl_client_id() AS etl_client_id)));
CREATE POLICY ingest ON core.clients FOR SELECT TO pulse_owner USING ((SESSION_USER = 'pulse_ingest'::name));
CREATE POLICY links ON core.clients FOR SELECT TO pulse_owner USING ((SESSION_USER = 'pulse_auth'::name));
CREATE POLICY owner ON core.clients TO pulse_owner USING (((SESSION_USER = ANY (ARRAY['pulse_owner'::name, 'pulse_admin'::name])) OR (('pulse_client_'::text || id) = SESSION_USER)));
CREATE POLICY reader ON core.clients FOR SELECT TO pulse_reader USING ((id = ( SELECT core.reader_client_id() AS reader_client_id)));
CREATE POLICY staff ON core.clients FOR SELECT TO pulse_staff USING (true);
GRANT SELECT,MAINTAIN ON TABLE core.clients TO pulse_etl;
GRANT SELECT ON TABLE core.clients TO pulse_auth;
GRANT SELECT ON TABLE core.clients TO pulse_staff;
GRANT SELECT ON TABLE core.clients TO pulse_reader;
GRANT SELECT,INSERT,UPDATE ON TABLE core.clients TO pulse_admin;

-- core.commits --------------------------------------------------------------------------------------------------------
CREATE TABLE core.commits (
    client_id integer NOT NULL,
    integration_id bigint NOT NULL,
    repository_id bigint NOT NULL,
    sha text NOT NULL,
    parent_shas text[] DEFAULT '{}'::text[] NOT NULL,
    "position" bigint,
    is_first_parent boolean DEFAULT false NOT NULL,
    authored_at timestamp with time zone,
    committed_at timestamp with time zone NOT NULL,
    headline text DEFAULT ''::text NOT NULL,
    assisted_by text[] DEFAULT '{}'::text[] NOT NULL
);
ALTER TABLE ONLY core.commits FORCE ROW LEVEL SECURITY;
COMMENT ON COLUMN core.commits.assisted_by IS 'The AI assistants of which its message or its author bears a sign, sorted. Empty: no sign, which proves nothing.';
ALTER TABLE core.commits ADD CONSTRAINT commits_authored_at_time CHECK (((authored_at >= '1969-12-31 00:00:00+00'::timestamp with time zone) AND (authored_at <= '2200-01-01 00:00:00+00'::timestamp with time zone))) NOT VALID;
ALTER TABLE core.commits ADD CONSTRAINT commits_committed_at_time CHECK (((committed_at >= '1969-12-31 00:00:00+00'::timestamp with time zone) AND (committed_at <= '2200-01-01 00:00:00+00'::timestamp with time zone))) NOT VALID;
ALTER TABLE core.commits ADD CONSTRAINT commits_parents_named CHECK ((array_position(parent_shas, NULL::text) IS NULL)) NOT VALID;
ALTER TABLE ONLY core.commits ADD CONSTRAINT commits_pkey PRIMARY KEY (client_id, integration_id, repository_id, sha);
ALTER TABLE core.commits ADD CONSTRAINT commits_sha_length CHECK ((octet_length(sha) <= 200)) NOT VALID;
CREATE INDEX commits_position ON core.commits USING btree (client_id, integration_id, repository_id, "position") WHERE ("position" IS NOT NULL);
CREATE TRIGGER dora_delete AFTER DELETE ON core.commits REFERENCING OLD TABLE AS old_rows FOR EACH STATEMENT EXECUTE FUNCTION core.enqueue_dora('commit', 'repository_id || '':'' || sha');
CREATE TRIGGER dora_insert AFTER INSERT ON core.commits REFERENCING NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION core.enqueue_dora('commit', 'repository_id || '':'' || sha');
CREATE TRIGGER dora_update AFTER UPDATE ON core.commits REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION core.enqueue_dora('commit', 'repository_id || '':'' || sha');
ALTER TABLE ONLY core.commits ADD CONSTRAINT commits_client_id_integration_id_repository_id_fkey FOREIGN KEY (client_id, integration_id, repository_id) REFERENCES core.repositories(client_id, integration_id, id);
ALTER TABLE core.commits ENABLE ROW LEVEL SECURITY;
CREATE POLICY etl ON core.commits TO pulse_etl USING ((client_id = ( SELECT core.etl_client_id() AS etl_client_id)));
CREATE POLICY owner ON core.commits TO pulse_owner USING ((SESSION_USER = 'pulse_owner'::name));
CREATE POLICY reader ON core.commits FOR SELECT TO pulse_reader USING ((client_id = ( SELECT core.reader_client_id() AS reader_client_id)));
CREATE POLICY staff ON core.commits FOR SELECT TO pulse_staff USING (true);
GRANT SELECT,INSERT,DELETE,MAINTAIN,UPDATE ON TABLE core.commits TO pulse_etl;
GRANT SELECT ON TABLE core.commits TO pulse_staff;
GRANT SELECT ON TABLE core.commits TO pulse_reader;

-- core.data_versions --------------------------------------------------------------------------------------------------
CREATE TABLE core.data_versions (
    client_id integer NOT NULL,
    version bigint NOT NULL,
    changed_at timestamp with time zone DEFAULT now() NOT NULL,
    published bigint DEFAULT 0 NOT NULL
);
ALTER TABLE ONLY core.data_versions FORCE ROW LEVEL SECURITY;
COMMENT ON TABLE core.data_versions IS 'One row per client: raised by each stage that wrote a row of the client''s, and by each change of its settings, in the same transaction. Whoever sees a version sees the data that it stands for, on the replica, too.';
COMMENT ON COLUMN core.data_versions.published IS 'The version that the last publication of the client''s DAG stood for. While it is the present one, there is nothing to publish.';
ALTER TABLE ONLY core.data_versions ADD CONSTRAINT data_versions_pkey PRIMARY KEY (client_id);
ALTER TABLE ONLY core.data_versions ADD CONSTRAINT data_versions_client_id_fkey FOREIGN KEY (client_id) REFERENCES core.clients(id);
CREATE POLICY admin ON core.data_versions TO pulse_admin USING (true);
CREATE POLICY auth ON core.data_versions FOR SELECT TO pulse_auth USING (true);
ALTER TABLE core.data_versions ENABLE ROW LEVEL SECURITY;
CREATE POLICY etl ON core.data_versions TO pulse_etl USING ((client_id = ( SELECT core.etl_client_id() AS etl_client_id)));
CREATE POLICY owner ON core.data_versions TO pulse_owner USING ((SESSION_USER = 'pulse_owner'::name));
CREATE POLICY reader ON core.data_versions FOR SELECT TO pulse_reader USING ((client_id = ( SELECT core.reader_client_id() AS reader_client_id)));
CREATE POLICY staff ON core.data_versions FOR SELECT TO pulse_staff USING (true);
GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE core.data_versions TO pulse_etl;
GRANT SELECT ON TABLE core.data_versions TO pulse_staff;
GRANT SELECT ON TABLE core.data_versions TO pulse_reader;
GRANT SELECT,INSERT,UPDATE ON TABLE core.data_versions TO pulse_admin;
GRANT SELECT ON TABLE core.data_versions TO pulse_auth;

-- core.declaration_faults ---------------------------------------------------------------------------------------------
CREATE TABLE core.declaration_faults (
    slug text NOT NULL,
    place integer NOT NULL,
    field text NOT NULL,
    rule text NOT NULL,
    value text DEFAULT ''::text NOT NULL,
    example text DEFAULT ''::text NOT NULL,
    found_at timestamp with time zone DEFAULT now() NOT NULL
);
ALTER TABLE ONLY core.declaration_faults FORCE ROW LEVEL SECURITY;
COMMENT ON TABLE core.declaration_faults IS 'The faults that the last sync_clients found in the Variable pulse_client_<slug>, in the order of its fields. None: the Variable is good, or gone. A value that might be a secret is not here.';
ALTER TABLE ONLY core.declaration_faults ADD CONSTRAINT declaration_faults_pkey PRIMARY KEY (slug, place);
CREATE TRIGGER tell AFTER INSERT OR DELETE OR UPDATE ON core.declaration_faults FOR EACH STATEMENT EXECUTE FUNCTION core.tell_clients_moved();
CREATE POLICY admin ON core.declaration_faults TO pulse_admin USING (true);
ALTER TABLE core.declaration_faults ENABLE ROW LEVEL SECURITY;
CREATE POLICY staff ON core.declaration_faults FOR SELECT TO pulse_staff USING (true);
GRANT SELECT,INSERT,DELETE ON TABLE core.declaration_faults TO pulse_admin;
GRANT SELECT ON TABLE core.declaration_faults TO pulse_staff;

-- core.deployed_branch_commits ----------------------------------------------------------------------------------------
CREATE TABLE core.deployed_branch_commits (
    client_id integer NOT NULL,
    integration_id bigint NOT NULL,
    repository_id bigint NOT NULL,
    sha text NOT NULL,
    commit_sha text NOT NULL,
    authored_at timestamp with time zone,
    headline text DEFAULT ''::text NOT NULL,
    picked_from text[] DEFAULT '{}'::text[] NOT NULL,
    CONSTRAINT deployed_branch_commits_sha_length CHECK ((octet_length(commit_sha) <= 200))
);
ALTER TABLE ONLY core.deployed_branch_commits FORCE ROW LEVEL SECURITY;
COMMENT ON TABLE core.deployed_branch_commits IS 'One row per commit of a deployed branch: the newest 300. picked_from: the commits that its message says it was picked from.';
ALTER TABLE ONLY core.deployed_branch_commits ADD CONSTRAINT deployed_branch_commits_pkey PRIMARY KEY (client_id, integration_id, repository_id, sha, commit_sha);
CREATE INDEX deployed_branch_commits_authored ON core.deployed_branch_commits USING btree (client_id, integration_id, repository_id, authored_at);
CREATE TRIGGER dora_delete AFTER DELETE ON core.deployed_branch_commits REFERENCING OLD TABLE AS old_rows FOR EACH STATEMENT EXECUTE FUNCTION core.enqueue_dora('deployed_branch', 'repository_id || '':'' || sha');
CREATE TRIGGER dora_insert AFTER INSERT ON core.deployed_branch_commits REFERENCING NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION core.enqueue_dora('deployed_branch', 'repository_id || '':'' || sha');
CREATE TRIGGER dora_update AFTER UPDATE ON core.deployed_branch_commits REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION core.enqueue_dora('deployed_branch', 'repository_id || '':'' || sha');
ALTER TABLE ONLY core.deployed_branch_commits ADD CONSTRAINT deployed_branch_commits_client_id_integration_id_repositor_fkey FOREIGN KEY (client_id, integration_id, repository_id, sha) REFERENCES core.deployed_branches(client_id, integration_id, repository_id, sha) ON DELETE CASCADE;
ALTER TABLE core.deployed_branch_commits ENABLE ROW LEVEL SECURITY;
CREATE POLICY etl ON core.deployed_branch_commits TO pulse_etl USING ((client_id = ( SELECT core.etl_client_id() AS etl_client_id)));
CREATE POLICY owner ON core.deployed_branch_commits TO pulse_owner USING ((SESSION_USER = 'pulse_owner'::name));
CREATE POLICY reader ON core.deployed_branch_commits FOR SELECT TO pulse_reader USING ((client_id = ( SELECT core.reader_client_id() AS reader_client_id)));
CREATE POLICY staff ON core.deployed_branch_commits FOR SELECT TO pulse_staff USING (true);
GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE core.deployed_branch_commits TO pulse_etl;
GRANT SELECT ON TABLE core.deployed_branch_commits TO pulse_staff;
GRANT SELECT ON TABLE core.deployed_branch_commits TO pulse_reader;

-- core.deployed_branches ----------------------------------------------------------------------------------------------
CREATE TABLE core.deployed_branches (
    client_id integer NOT NULL,
    integration_id bigint NOT NULL,
    repository_id bigint NOT NULL,
    sha text NOT NULL,
    base_sha text,
    commit_count integer DEFAULT 0 NOT NULL,
    CONSTRAINT deployed_branches_sha_length CHECK ((octet_length(sha) <= 200))
);
ALTER TABLE ONLY core.deployed_branches FORCE ROW LEVEL SECURITY;
COMMENT ON TABLE core.deployed_branches IS 'One row per deployed commit that was not on the default branch: the commit of the default branch where its branch began (NULL: the forge does not know), and how many commits the branch had since then.';
ALTER TABLE ONLY core.deployed_branches ADD CONSTRAINT deployed_branches_pkey PRIMARY KEY (client_id, integration_id, repository_id, sha);
CREATE INDEX deployed_branches_base ON core.deployed_branches USING btree (client_id, integration_id, base_sha);
CREATE TRIGGER dora_delete AFTER DELETE ON core.deployed_branches REFERENCING OLD TABLE AS old_rows FOR EACH STATEMENT EXECUTE FUNCTION core.enqueue_dora('deployed_branch', 'repository_id || '':'' || sha');
CREATE TRIGGER dora_insert AFTER INSERT ON core.deployed_branches REFERENCING NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION core.enqueue_dora('deployed_branch', 'repository_id || '':'' || sha');
CREATE TRIGGER dora_update AFTER UPDATE ON core.deployed_branches REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION core.enqueue_dora('deployed_branch', 'repository_id || '':'' || sha');
ALTER TABLE ONLY core.deployed_branches ADD CONSTRAINT deployed_branches_client_id_integration_id_repository_id_fkey FOREIGN KEY (client_id, integration_id, repository_id) REFERENCES core.repositories(client_id, integration_id, id);
ALTER TABLE core.deployed_branches ENABLE ROW LEVEL SECURITY;
CREATE POLICY etl ON core.deployed_branches TO pulse_etl USING ((client_id = ( SELECT core.etl_client_id() AS etl_client_id)));
CREATE POLICY owner ON core.deployed_branches TO pulse_owner USING ((SESSION_USER = 'pulse_owner'::name));
CREATE POLICY reader ON core.deployed_branches FOR SELECT TO pulse_reader USING ((client_id = ( SELECT core.reader_client_id() AS reader_client_id)));
CREATE POLICY staff ON core.deployed_branches FOR SELECT TO pulse_staff USING (true);
GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE core.deployed_branches TO pulse_etl;
GRANT SELECT ON TABLE core.deployed_branches TO pulse_staff;
GRANT SELECT ON TABLE core.deployed_branches TO pulse_reader;

-- core.deployment_changes ---------------------------------------------------------------------------------------------
CREATE TABLE core.deployment_changes (
    client_id integer NOT NULL,
    deployment_id text NOT NULL,
    change_id text NOT NULL,
    service_id text,
    deployed_at timestamp with time zone,
    deployed_on date,
    lead_time_hours double precision,
    coding_hours double precision,
    pickup_hours double precision,
    review_hours double precision,
    merge_to_deploy_hours double precision,
    exclusion_reason text,
    calendar_hours double precision
);
ALTER TABLE ONLY core.deployment_changes FORCE ROW LEVEL SECURITY;
COMMENT ON COLUMN core.deployment_changes.exclusion_reason IS 'Why the change does not count in the lead time: bot, no commits, negative duration, carries others.';
COMMENT ON COLUMN core.deployment_changes.calendar_hours IS 'The lead time in elapsed hours, whatever dora.working_calendar says. Tiers use it.';
ALTER TABLE ONLY core.deployment_changes ADD CONSTRAINT deployment_changes_pkey PRIMARY KEY (client_id, change_id);
CREATE INDEX deployment_changes_deployment ON core.deployment_changes USING btree (client_id, deployment_id);
CREATE INDEX deployment_changes_latest ON core.deployment_changes USING btree (client_id, deployed_at);
CREATE INDEX deployment_changes_negative ON core.deployment_changes USING btree (client_id, deployed_at) WHERE (exclusion_reason = 'negative duration'::text);
CREATE INDEX deployment_changes_service ON core.deployment_changes USING btree (client_id, service_id, deployed_on);
ALTER TABLE core.deployment_changes ENABLE ROW LEVEL SECURITY;
CREATE POLICY etl ON core.deployment_changes TO pulse_etl USING ((client_id = ( SELECT core.etl_client_id() AS etl_client_id)));
CREATE POLICY owner ON core.deployment_changes TO pulse_owner USING ((SESSION_USER = 'pulse_owner'::name));
CREATE POLICY reader ON core.deployment_changes FOR SELECT TO pulse_reader USING ((client_id = ( SELECT core.reader_client_id() AS reader_client_id)));
CREATE POLICY staff ON core.deployment_changes FOR SELECT TO pulse_staff USING (true);
GRANT SELECT,INSERT,DELETE,MAINTAIN,UPDATE ON TABLE core.deployment_changes TO pulse_etl;
GRANT SELECT ON TABLE core.deployment_changes TO pulse_staff;
GRANT SELECT ON TABLE core.deployment_changes TO pulse_reader;

-- core.deployments ----------------------------------------------------------------------------------------------------
CREATE TABLE core.deployments (
    client_id integer NOT NULL,
    id text NOT NULL,
    service_id text NOT NULL,
    integration_id bigint NOT NULL,
    environment text NOT NULL,
    environment_tier text NOT NULL,
    source text NOT NULL,
    result text NOT NULL,
    sha text,
    "position" bigint,
    ref_name text,
    url text,
    created_at timestamp with time zone NOT NULL,
    finished_at timestamp with time zone NOT NULL,
    is_baseline boolean DEFAULT false NOT NULL,
    is_rollback boolean DEFAULT false NOT NULL,
    rolled_back_by text,
    is_rework boolean DEFAULT false NOT NULL,
    rework_reason text,
    repository_id bigint,
    finished_on date,
    contains_after bigint,
    failed_change boolean DEFAULT false NOT NULL,
    failure_reason text,
    change_count integer DEFAULT 0 NOT NULL,
    incident_keys text,
    version text,
    kind text,
    is_trial boolean DEFAULT false NOT NULL,
    release_id text,
    counts boolean DEFAULT false NOT NULL,
    is_guess boolean DEFAULT false NOT NULL,
    recovered_at timestamp with time zone,
    recovered_on date,
    recovery_hours double precision,
    recovery_calendar_hours double precision,
    environment_url text,
    contains_to bigint,
    branch_commits integer,
    CONSTRAINT deployments_environment_tier_check CHECK ((environment_tier = ANY (ARRAY['production'::text, 'other'::text]))),
    CONSTRAINT deployments_kind_check CHECK ((kind = ANY (ARRAY['release'::text, 'redeployment'::text, 'rollback'::text]))),
    CONSTRAINT deployments_result_check CHECK ((result = ANY (ARRAY['success'::text, 'failure'::text])))
)
WITH (fillfactor='50');
ALTER TABLE ONLY core.deployments FORCE ROW LEVEL SECURITY;
COMMENT ON COLUMN core.deployments.url IS 'Its page at the forge or tool.';
COMMENT ON COLUMN core.deployments.finished_on IS 'Day of the finish in the client''s time zone.';
COMMENT ON COLUMN core.deployments.contains_after IS 'Highest position that an earlier successful production deployment of the service to this environment contained; NULL for the baseline.';
COMMENT ON COLUMN core.deployments.failed_change IS 'An incident was linked to a deployment of this release, or one was rolled back at once.';
COMMENT ON COLUMN core.deployments.version IS 'What was deployed: the commit; without one, the branch or tag if it has a digit, as a version does.';
COMMENT ON COLUMN core.deployments.kind IS 'release, redeployment (an earlier deployment to this environment was of the same version) or rollback; NULL when it did not succeed, or not in production.';
COMMENT ON COLUMN core.deployments.is_trial IS 'One of up to three deployments long before the regular ones: it delivers nothing and is no baseline.';
COMMENT ON COLUMN core.deployments.release_id IS 'The first deployment of the release that it is part of. One version in several environments, each within dora.release_window_hours after the one before, is one release.';
COMMENT ON COLUMN core.deployments.counts IS 'Counts in the deployment frequency: the first deployment of each release; by the setting dora.count_redeployments also redeployments and rollbacks.';
COMMENT ON COLUMN core.deployments.is_guess IS 'It failed, and no link is better than that an incident came soon after it (time_window).';
COMMENT ON COLUMN core.deployments.recovered_at IS 'When the failed release was rolled back; otherwise when the last of its incidents was resolved.';
COMMENT ON COLUMN core.deployments.recovery_calendar_hours IS 'The recovery time in elapsed hours, whatever dora.working_calendar says. Tiers use it.';
COMMENT ON COLUMN core.deployments.environment_url IS 'Where what was deployed can be seen. Many deployments share it.';
COMMENT ON COLUMN core.deployments.contains_to IS 'The highest position that it contains: its own; of a commit off the default branch, that where its branch began.';
COMMENT ON COLUMN core.deployments.branch_commits IS 'How many commits its branch had since then; 0 on the default branch.';
ALTER TABLE ONLY core.deployments ADD CONSTRAINT deployments_pkey PRIMARY KEY (client_id, id);
CREATE INDEX deployments_finished ON core.deployments USING btree (client_id, environment_tier, finished_on);
CREATE INDEX deployments_latest ON core.deployments USING btree (client_id, finished_at);
CREATE INDEX deployments_order ON core.deployments USING btree (client_id, service_id, finished_at) WHERE ((environment_tier = 'production'::text) AND (result = 'success'::text));
CREATE INDEX deployments_recovered ON core.deployments USING btree (client_id, recovered_on) WHERE (recovered_on IS NOT NULL);
CREATE INDEX deployments_ref ON core.deployments USING btree (client_id, ref_name);
CREATE INDEX deployments_service_finished ON core.deployments USING btree (client_id, service_id, environment_tier, finished_on);
CREATE INDEX deployments_unplaced ON core.deployments USING btree (client_id, service_id) WHERE ((contains_to IS NULL) AND (environment_tier = 'production'::text) AND (result = 'success'::text) AND (source <> 'merge'::text));
CREATE INDEX deployments_url ON core.deployments USING btree (client_id, url);
CREATE INDEX deployments_version ON core.deployments USING btree (client_id, version text_pattern_ops);
ALTER TABLE core.deployments ENABLE ROW LEVEL SECURITY;
CREATE POLICY etl ON core.deployments TO pulse_etl USING ((client_id = ( SELECT core.etl_client_id() AS etl_client_id)));
CREATE POLICY owner ON core.deployments TO pulse_owner USING ((SESSION_USER = 'pulse_owner'::name));
CREATE POLICY reader ON core.deployments FOR SELECT TO pulse_reader USING ((client_id = ( SELECT core.reader_client_id() AS reader_client_id)));
CREATE POLICY staff ON core.deployments FOR SELECT TO pulse_staff USING (true);
GRANT SELECT,INSERT,DELETE,MAINTAIN,UPDATE ON TABLE core.deployments TO pulse_etl;
GRANT SELECT ON TABLE core.deployments TO pulse_staff;
GRANT SELECT ON TABLE core.deployments TO pulse_reader;

-- core.dora_definitions -----------------------------------------------------------------------------------------------
CREATE TABLE core.dora_definitions (
    client_id integer NOT NULL,
    definition_version text NOT NULL,
    settings jsonb NOT NULL,
    time_zone text NOT NULL,
    first_used_at timestamp with time zone DEFAULT now() NOT NULL
);
ALTER TABLE ONLY core.dora_definitions FORCE ROW LEVEL SECURITY;
COMMENT ON TABLE core.dora_definitions IS 'One row per definition_version: the settings behind it, so that a number can be reproduced.';
ALTER TABLE ONLY core.dora_definitions ADD CONSTRAINT dora_definitions_pkey PRIMARY KEY (client_id, definition_version);
ALTER TABLE ONLY core.dora_definitions ADD CONSTRAINT dora_definitions_client_id_fkey FOREIGN KEY (client_id) REFERENCES core.clients(id);
ALTER TABLE core.dora_definitions ENABLE ROW LEVEL SECURITY;
CREATE POLICY etl ON core.dora_definitions TO pulse_etl USING ((client_id = ( SELECT core.etl_client_id() AS etl_client_id)));
CREATE POLICY owner ON core.dora_definitions TO pulse_owner USING ((SESSION_USER = 'pulse_owner'::name));
CREATE POLICY reader ON core.dora_definitions FOR SELECT TO pulse_reader USING ((client_id = ( SELECT core.reader_client_id() AS reader_client_id)));
CREATE POLICY staff ON core.dora_definitions FOR SELECT TO pulse_staff USING (true);
GRANT SELECT,INSERT,DELETE,MAINTAIN,UPDATE ON TABLE core.dora_definitions TO pulse_etl;
GRANT SELECT ON TABLE core.dora_definitions TO pulse_staff;
GRANT SELECT ON TABLE core.dora_definitions TO pulse_reader;

-- core.dora_metric_history --------------------------------------------------------------------------------------------
CREATE TABLE core.dora_metric_history (
    client_id integer NOT NULL,
    id bigint NOT NULL,
    metric_type text NOT NULL,
    grain text NOT NULL,
    scope_type text NOT NULL,
    scope_id text NOT NULL,
    calculation_date date NOT NULL,
    period_start date NOT NULL,
    period_end date NOT NULL,
    is_partial boolean NOT NULL,
    metric_value double precision,
    unit text NOT NULL,
    p50 double precision,
    p75 double precision,
    p90 double precision,
    numerator bigint,
    denominator bigint,
    sample_size bigint NOT NULL,
    null_reason text,
    tier text,
    tier_year integer,
    definition_version text NOT NULL,
    valid_from timestamp with time zone NOT NULL,
    valid_to timestamp with time zone NOT NULL,
    calendar_value double precision,
    guessed bigint DEFAULT 0 NOT NULL,
    tier_spread jsonb
);
ALTER TABLE ONLY core.dora_metric_history FORCE ROW LEVEL SECURITY;
COMMENT ON TABLE core.dora_metric_history IS 'One row per published number that was replaced or withdrawn: what was shown from valid_from until valid_to.';
ALTER TABLE core.dora_metric_history ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME core.dora_metric_history_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);
ALTER TABLE ONLY core.dora_metric_history ADD CONSTRAINT dora_metric_history_pkey PRIMARY KEY (client_id, id);
CREATE INDEX dora_metric_history_cell ON core.dora_metric_history USING btree (client_id, metric_type, grain, scope_type, scope_id, calculation_date, valid_from);
CREATE INDEX dora_metric_history_time ON core.dora_metric_history USING btree (client_id, valid_to);
ALTER TABLE core.dora_metric_history ENABLE ROW LEVEL SECURITY;
CREATE POLICY etl ON core.dora_metric_history TO pulse_etl USING ((client_id = ( SELECT core.etl_client_id() AS etl_client_id)));
CREATE POLICY owner ON core.dora_metric_history TO pulse_owner USING ((SESSION_USER = 'pulse_owner'::name));
CREATE POLICY reader ON core.dora_metric_history FOR SELECT TO pulse_reader USING ((client_id = ( SELECT core.reader_client_id() AS reader_client_id)));
CREATE POLICY staff ON core.dora_metric_history FOR SELECT TO pulse_staff USING (true);
GRANT SELECT,INSERT,DELETE,MAINTAIN,UPDATE ON TABLE core.dora_metric_history TO pulse_etl;
GRANT SELECT ON TABLE core.dora_metric_history TO pulse_staff;
GRANT SELECT ON TABLE core.dora_metric_history TO pulse_reader;

-- core.dora_metrics ---------------------------------------------------------------------------------------------------
CREATE TABLE core.dora_metrics (
    client_id integer NOT NULL,
    id bigint NOT NULL,
    metric_type text NOT NULL,
    grain text NOT NULL,
    scope_type text NOT NULL,
    scope_id text DEFAULT ''::text NOT NULL,
    calculation_date date NOT NULL,
    period_start date NOT NULL,
    period_end date NOT NULL,
    is_partial boolean DEFAULT false NOT NULL,
    metric_value double precision,
    unit text NOT NULL,
    p50 double precision,
    p75 double precision,
    p90 double precision,
    numerator bigint,
    denominator bigint,
    sample_size bigint DEFAULT 0 NOT NULL,
    null_reason text,
    tier text,
    tier_year integer,
    definition_version text NOT NULL,
    published_at timestamp with time zone DEFAULT now() NOT NULL,
    family text DEFAULT 'deployments'::text NOT NULL,
    calendar_value double precision,
    guessed bigint DEFAULT 0 NOT NULL,
    tier_spread jsonb,
    CONSTRAINT dora_metrics_check CHECK (((metric_value IS NOT NULL) OR (null_reason IS NOT NULL))),
    CONSTRAINT dora_metrics_grain_check CHECK ((grain = ANY (ARRAY['day'::text, 'week'::text, 'month'::text, 'rolling_7d'::text, 'rolling_30d'::text, 'rolling_90d'::text]))),
    CONSTRAINT dora_metrics_scope_type_check CHECK ((scope_type = ANY (ARRAY['client'::text, 'service'::text, 'team'::text, 'repository'::text, 'project'::text]))),
    CONSTRAINT dora_metrics_tier_check CHECK ((tier = ANY (ARRAY['elite'::text, 'high'::text, 'medium'::text, 'low'::text]))),
    CONSTRAINT dora_metrics_unit_check CHECK ((unit = ANY (ARRAY['per_day'::text, 'days_per_week'::text, 'hours'::text, 'ratio'::text, 'lines'::text, 'count'::text, 'items'::text])))
);
ALTER TABLE ONLY core.dora_metrics FORCE ROW LEVEL SECURITY;
COMMENT ON COLUMN core.dora_metrics.calendar_value IS 'The value in calendar time, where a working calendar makes it another. Tiers use it.';
COMMENT ON COLUMN core.dora_metrics.guessed IS 'How many of the failures that it counts rest on time alone.';
COMMENT ON COLUMN core.dora_metrics.tier_spread IS 'How many services have which tier, where the tier is that of the median service.';
ALTER TABLE core.dora_metrics ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME core.dora_metrics_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1000
);
ALTER TABLE ONLY core.dora_metrics ADD CONSTRAINT dora_metrics_pkey PRIMARY KEY (client_id, metric_type, grain, scope_type, scope_id, calculation_date);
ALTER TABLE core.dora_metrics ENABLE ROW LEVEL SECURITY;
CREATE POLICY etl ON core.dora_metrics TO pulse_etl USING ((client_id = ( SELECT core.etl_client_id() AS etl_client_id)));
CREATE POLICY owner ON core.dora_metrics TO pulse_owner USING ((SESSION_USER = 'pulse_owner'::name));
CREATE POLICY reader ON core.dora_metrics FOR SELECT TO pulse_reader USING ((client_id = ( SELECT core.reader_client_id() AS reader_client_id)));
CREATE POLICY staff ON core.dora_metrics FOR SELECT TO pulse_staff USING (true);
GRANT SELECT,INSERT,DELETE,MAINTAIN,UPDATE ON TABLE core.dora_metrics TO pulse_etl;
GRANT SELECT ON TABLE core.dora_metrics TO pulse_staff;
GRANT SELECT ON TABLE core.dora_metrics TO pulse_reader;

-- core.dora_publications ----------------------------------------------------------------------------------------------
CREATE TABLE core.dora_publications (
    client_id integer NOT NULL,
    id bigint NOT NULL,
    published_at timestamp with time zone DEFAULT now() NOT NULL,
    definition_version text NOT NULL,
    reason text NOT NULL,
    numbers bigint NOT NULL,
    restated bigint NOT NULL,
    CONSTRAINT dora_publications_reason_check CHECK ((reason = ANY (ARRAY['first'::text, 'definition'::text, 'data'::text, 'calendar'::text])))
);
ALTER TABLE ONLY core.dora_publications FORCE ROW LEVEL SECURITY;
COMMENT ON TABLE core.dora_publications IS 'One row per dora stage that changed published numbers: why, how many, and how many of them were of ended periods.';
ALTER TABLE core.dora_publications ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME core.dora_publications_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);
ALTER TABLE ONLY core.dora_publications ADD CONSTRAINT dora_publications_pkey PRIMARY KEY (client_id, id);
ALTER TABLE ONLY core.dora_publications ADD CONSTRAINT dora_publications_client_id_fkey FOREIGN KEY (client_id) REFERENCES core.clients(id);
ALTER TABLE core.dora_publications ENABLE ROW LEVEL SECURITY;
CREATE POLICY etl ON core.dora_publications TO pulse_etl USING ((client_id = ( SELECT core.etl_client_id() AS etl_client_id)));
CREATE POLICY owner ON core.dora_publications TO pulse_owner USING ((SESSION_USER = 'pulse_owner'::name));
CREATE POLICY reader ON core.dora_publications FOR SELECT TO pulse_reader USING ((client_id = ( SELECT core.reader_client_id() AS reader_client_id)));
CREATE POLICY staff ON core.dora_publications FOR SELECT TO pulse_staff USING (true);
GRANT SELECT,INSERT,DELETE,MAINTAIN,UPDATE ON TABLE core.dora_publications TO pulse_etl;
GRANT SELECT ON TABLE core.dora_publications TO pulse_staff;
GRANT SELECT ON TABLE core.dora_publications TO pulse_reader;

-- core.dora_queue -----------------------------------------------------------------------------------------------------
CREATE TABLE core.dora_queue (
    client_id integer NOT NULL,
    id bigint NOT NULL,
    fact text NOT NULL,
    integration_id bigint NOT NULL,
    key text NOT NULL
);
ALTER TABLE ONLY core.dora_queue FORCE ROW LEVEL SECURITY;
COMMENT ON TABLE core.dora_queue IS 'One row per source record that was written since the last dora stage, which reads and empties the queue. Filled by triggers, so that no writer has to think of it.';
ALTER TABLE core.dora_queue ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME core.dora_queue_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);
ALTER TABLE ONLY core.dora_queue ADD CONSTRAINT dora_queue_pkey PRIMARY KEY (client_id, id);
CREATE POLICY cascade ON core.dora_queue FOR INSERT TO pulse_owner WITH CHECK ((client_id = ( SELECT core.etl_client_id() AS etl_client_id)));
ALTER TABLE core.dora_queue ENABLE ROW LEVEL SECURITY;
CREATE POLICY etl ON core.dora_queue TO pulse_etl USING ((client_id = ( SELECT core.etl_client_id() AS etl_client_id)));
CREATE POLICY owner ON core.dora_queue TO pulse_owner USING ((SESSION_USER = 'pulse_owner'::name));
CREATE POLICY staff ON core.dora_queue FOR SELECT TO pulse_staff USING (true);
GRANT SELECT,INSERT,DELETE,MAINTAIN,UPDATE ON TABLE core.dora_queue TO pulse_etl;
GRANT SELECT ON TABLE core.dora_queue TO pulse_staff;

-- core.dora_restatements ----------------------------------------------------------------------------------------------
CREATE TABLE core.dora_restatements (
    client_id integer NOT NULL,
    id bigint NOT NULL,
    restated_at timestamp with time zone DEFAULT now() NOT NULL,
    metric_type text NOT NULL,
    grain text NOT NULL,
    scope_type text NOT NULL,
    scope_id text NOT NULL,
    calculation_date date NOT NULL,
    old_value double precision,
    new_value double precision,
    old_sample_size bigint,
    new_sample_size bigint,
    reason text NOT NULL,
    cause text DEFAULT ''::text NOT NULL,
    evidence jsonb DEFAULT '[]'::jsonb NOT NULL,
    old_tier text,
    new_tier text,
    CONSTRAINT dora_restatements_reason_check CHECK ((reason = ANY (ARRAY['definition'::text, 'data'::text])))
);
ALTER TABLE ONLY core.dora_restatements FORCE ROW LEVEL SECURITY;
COMMENT ON TABLE core.dora_restatements IS 'One row per published number of an ended period that has changed: what it was, what it is, and which facts made it so.';
COMMENT ON COLUMN core.dora_restatements.old_tier IS 'The tier before. A number whose tier alone has changed has a row, too: the benchmarks, or the tiers of the services that it is the median of, have changed.';
COMMENT ON COLUMN core.dora_restatements.new_tier IS 'The tier since.';
ALTER TABLE core.dora_restatements ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME core.dora_restatements_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);
ALTER TABLE ONLY core.dora_restatements ADD CONSTRAINT dora_restatements_pkey PRIMARY KEY (client_id, id);
CREATE INDEX dora_restatements_time ON core.dora_restatements USING btree (client_id, restated_at);
ALTER TABLE core.dora_restatements ENABLE ROW LEVEL SECURITY;
CREATE POLICY etl ON core.dora_restatements TO pulse_etl USING ((client_id = ( SELECT core.etl_client_id() AS etl_client_id)));
CREATE POLICY owner ON core.dora_restatements TO pulse_owner USING ((SESSION_USER = 'pulse_owner'::name));
CREATE POLICY reader ON core.dora_restatements FOR SELECT TO pulse_reader USING ((client_id = ( SELECT core.reader_client_id() AS reader_client_id)));
CREATE POLICY staff ON core.dora_restatements FOR SELECT TO pulse_staff USING (true);
GRANT SELECT,INSERT,DELETE,MAINTAIN,UPDATE ON TABLE core.dora_restatements TO pulse_etl;
GRANT SELECT ON TABLE core.dora_restatements TO pulse_staff;
GRANT SELECT ON TABLE core.dora_restatements TO pulse_reader;

-- core.dora_scopes ----------------------------------------------------------------------------------------------------
CREATE TABLE core.dora_scopes (
    client_id integer NOT NULL,
    scope_type text NOT NULL,
    scope_id text NOT NULL,
    family text NOT NULL,
    first_day date NOT NULL,
    kind_day date,
    success_day date,
    members text DEFAULT ''::text NOT NULL
);
ALTER TABLE ONLY core.dora_scopes FORCE ROW LEVEL SECURITY;
COMMENT ON TABLE core.dora_scopes IS 'One row per scope and family (deployments, delivery, recovery, pull_requests, work). first_day: from when on it has numbers; kind_day: its first event of the family; success_day: its first successful production deployment; members: the services of a team or repository.';
ALTER TABLE ONLY core.dora_scopes ADD CONSTRAINT dora_scopes_pkey PRIMARY KEY (client_id, scope_type, scope_id, family);
ALTER TABLE ONLY core.dora_scopes ADD CONSTRAINT dora_scopes_client_id_fkey FOREIGN KEY (client_id) REFERENCES core.clients(id);
ALTER TABLE core.dora_scopes ENABLE ROW LEVEL SECURITY;
CREATE POLICY etl ON core.dora_scopes TO pulse_etl USING ((client_id = ( SELECT core.etl_client_id() AS etl_client_id)));
CREATE POLICY owner ON core.dora_scopes TO pulse_owner USING ((SESSION_USER = 'pulse_owner'::name));
CREATE POLICY reader ON core.dora_scopes FOR SELECT TO pulse_reader USING ((client_id = ( SELECT core.reader_client_id() AS reader_client_id)));
CREATE POLICY staff ON core.dora_scopes FOR SELECT TO pulse_staff USING (true);
GRANT SELECT,INSERT,DELETE,MAINTAIN,UPDATE ON TABLE core.dora_scopes TO pulse_etl;
GRANT SELECT ON TABLE core.dora_scopes TO pulse_staff;
GRANT SELECT ON TABLE core.dora_scopes TO pulse_reader;

-- core.dora_state -----------------------------------------------------------------------------------------------------
CREATE TABLE core.dora_state (
    client_id integer NOT NULL,
    definition text NOT NULL,
    definition_version text NOT NULL,
    computed_through date NOT NULL,
    published_at timestamp with time zone NOT NULL
);
ALTER TABLE ONLY core.dora_state FORCE ROW LEVEL SECURITY;
COMMENT ON TABLE core.dora_state IS 'One row per client: the settings and the day that the last dora stage worked with. When the settings differ, the next stage computes everything.';
ALTER TABLE ONLY core.dora_state ADD CONSTRAINT dora_state_pkey PRIMARY KEY (client_id);
ALTER TABLE ONLY core.dora_state ADD CONSTRAINT dora_state_client_id_fkey FOREIGN KEY (client_id) REFERENCES core.clients(id);
ALTER TABLE core.dora_state ENABLE ROW LEVEL SECURITY;
CREATE POLICY etl ON core.dora_state TO pulse_etl USING ((client_id = ( SELECT core.etl_client_id() AS etl_client_id)));
CREATE POLICY owner ON core.dora_state TO pulse_owner USING ((SESSION_USER = 'pulse_owner'::name));
CREATE POLICY reader ON core.dora_state FOR SELECT TO pulse_reader USING ((client_id = ( SELECT core.reader_client_id() AS reader_client_id)));
CREATE POLICY staff ON core.dora_state FOR SELECT TO pulse_staff USING (true);
GRANT SELECT,INSERT,DELETE,MAINTAIN,UPDATE ON TABLE core.dora_state TO pulse_etl;
GRANT SELECT ON TABLE core.dora_state TO pulse_staff;
GRANT SELECT ON TABLE core.dora_state TO pulse_reader;

-- core.embed_keys -----------------------------------------------------------------------------------------------------
CREATE TABLE core.embed_keys (
    client_id integer NOT NULL,
    id bigint NOT NULL,
    key_hash text NOT NULL,
    label text DEFAULT ''::text NOT NULL,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    revoked_at timestamp with time zone
);
ALTER TABLE ONLY core.embed_keys FORCE ROW LEVEL SECURITY;
COMMENT ON TABLE core.embed_keys IS 'One row per key with which a client''s own application asks for guest tokens.';
COMMENT ON COLUMN core.embed_keys.key_hash IS 'SHA-256 of the key, in hex. The key itself is stored nowhere.';
COMMENT ON COLUMN core.embed_keys.label IS 'Which application uses it.';
COMMENT ON COLUMN core.embed_keys.revoked_at IS 'Since when neither the key nor a token made with it counts.';
ALTER TABLE core.embed_keys ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME core.embed_keys_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);
ALTER TABLE ONLY core.embed_keys ADD CONSTRAINT embed_keys_pkey PRIMARY KEY (client_id, id);
CREATE INDEX embed_keys_hash ON core.embed_keys USING btree (key_hash) WHERE (revoked_at IS NULL);
CREATE TRIGGER audit AFTER INSERT OR UPDATE ON core.embed_keys FOR EACH ROW EXECUTE FUNCTION audit.embed_keys();
ALTER TABLE ONLY core.embed_keys ADD CONSTRAINT embed_keys_client_id_fkey FOREIGN KEY (client_id) REFERENCES core.clients(id);
CREATE POLICY admin ON core.embed_keys TO pulse_admin USING (true);
CREATE POLICY embed ON core.embed_keys FOR SELECT TO pulse_owner USING ((SESSION_USER = 'pulse_auth'::name));
ALTER TABLE core.embed_keys ENABLE ROW LEVEL SECURITY;
CREATE POLICY owner ON core.embed_keys TO pulse_owner USING ((SESSION_USER = 'pulse_owner'::name));
GRANT SELECT,INSERT ON TABLE core.embed_keys TO pulse_admin;
GRANT UPDATE(revoked_at) ON TABLE core.embed_keys TO pulse_admin;

-- core.erased ---------------------------------------------------------------------------------------------------------
CREATE TABLE core.erased (
    client_id integer NOT NULL,
    identity_hash text NOT NULL,
    salt text NOT NULL,
    words integer NOT NULL,
    everywhere boolean NOT NULL,
    pseudonym text NOT NULL,
    erased_at timestamp with time zone DEFAULT now() NOT NULL,
    CONSTRAINT erased_words_check CHECK (((words >= 1) AND (words <= 20)))
);
ALTER TABLE ONLY core.erased FORCE ROW LEVEL SECURITY;
COMMENT ON TABLE core.erased IS 'One row per login, name, address or account id of a person who was erased: whatever is loaded from then on has the pseudonym in its place. identity_hash: HMAC-SHA-256 (hexadecimal) of it, in small letters, with the client''s salt. words: of how many words it consists. everywhere: it is replaced in every text, not only where a person is named.';
ALTER TABLE ONLY core.erased ADD CONSTRAINT erased_pkey PRIMARY KEY (client_id, identity_hash);
ALTER TABLE ONLY core.erased ADD CONSTRAINT erased_client_id_fkey FOREIGN KEY (client_id) REFERENCES core.clients(id);
ALTER TABLE core.erased ENABLE ROW LEVEL SECURITY;
CREATE POLICY lookup ON core.erased FOR SELECT TO pulse_owner USING ((SESSION_USER = ANY (ARRAY['pulse_etl'::name, 'pulse_ingest'::name])));
CREATE POLICY owner ON core.erased TO pulse_owner USING ((SESSION_USER = 'pulse_owner'::name));

-- core.etl_census -----------------------------------------------------------------------------------------------------
CREATE TABLE core.etl_census (
    client_id integer NOT NULL,
    integration_id bigint NOT NULL,
    entity text NOT NULL,
    scope_key text NOT NULL,
    upstream_count integer NOT NULL,
    stored_count integer NOT NULL,
    missing_count integer NOT NULL,
    removed_count integer NOT NULL,
    counted_at timestamp with time zone DEFAULT now() NOT NULL
);
ALTER TABLE ONLY core.etl_census FORCE ROW LEVEL SECURITY;
COMMENT ON TABLE core.etl_census IS 'One row per entity of a scope, from the last complete count: ids that upstream lists, rows that were stored, ids that were missing here (fetched since), rows that upstream no longer lists (marked as deleted).';
ALTER TABLE ONLY core.etl_census ADD CONSTRAINT etl_census_pkey PRIMARY KEY (client_id, integration_id, entity, scope_key);
ALTER TABLE ONLY core.etl_census ADD CONSTRAINT etl_census_client_id_integration_id_fkey FOREIGN KEY (client_id, integration_id) REFERENCES core.integrations(client_id, id);
CREATE POLICY etl ON core.etl_census TO pulse_etl USING ((client_id = ( SELECT core.etl_client_id() AS etl_client_id)));
ALTER TABLE core.etl_census ENABLE ROW LEVEL SECURITY;
CREATE POLICY owner ON core.etl_census TO pulse_owner USING ((SESSION_USER = 'pulse_owner'::name));
CREATE POLICY reader ON core.etl_census FOR SELECT TO pulse_reader USING ((client_id = ( SELECT core.reader_client_id() AS reader_client_id)));
CREATE POLICY staff ON core.etl_census FOR SELECT TO pulse_staff USING (true);
GRANT SELECT,INSERT,DELETE,MAINTAIN,UPDATE ON TABLE core.etl_census TO pulse_etl;
GRANT SELECT ON TABLE core.etl_census TO pulse_staff;
GRANT SELECT ON TABLE core.etl_census TO pulse_reader;

-- core.etl_checkpoints ------------------------------------------------------------------------------------------------
CREATE TABLE core.etl_checkpoints (
    client_id integer NOT NULL,
    integration_id bigint NOT NULL,
    stream text NOT NULL,
    scope_key text NOT NULL,
    watermark_at timestamp with time zone,
    cursor_data jsonb DEFAULT '{}'::jsonb NOT NULL,
    updated_at timestamp with time zone DEFAULT now() NOT NULL
);
ALTER TABLE ONLY core.etl_checkpoints FORCE ROW LEVEL SECURITY;
ALTER TABLE ONLY core.etl_checkpoints ADD CONSTRAINT etl_checkpoints_pkey PRIMARY KEY (client_id, integration_id, stream, scope_key);
ALTER TABLE ONLY core.etl_checkpoints ADD CONSTRAINT etl_checkpoints_client_id_integration_id_fkey FOREIGN KEY (client_id, integration_id) REFERENCES core.integrations(client_id, id);
CREATE POLICY etl ON core.etl_checkpoints TO pulse_etl USING ((client_id = ( SELECT core.etl_client_id() AS etl_client_id)));
ALTER TABLE core.etl_checkpoints ENABLE ROW LEVEL SECURITY;
CREATE POLICY owner ON core.etl_checkpoints TO pulse_owner USING ((SESSION_USER = 'pulse_owner'::name));
CREATE POLICY reader ON core.etl_checkpoints FOR SELECT TO pulse_reader USING ((client_id = ( SELECT core.reader_client_id() AS reader_client_id)));
CREATE POLICY staff ON core.etl_checkpoints FOR SELECT TO pulse_staff USING (true);
GRANT SELECT,INSERT,DELETE,MAINTAIN,UPDATE ON TABLE core.etl_checkpoints TO pulse_etl;
GRANT SELECT ON TABLE core.etl_checkpoints TO pulse_staff;
GRANT SELECT(client_id) ON TABLE core.etl_checkpoints TO pulse_reader;
GRANT SELECT(integration_id) ON TABLE core.etl_checkpoints TO pulse_reader;
GRANT SELECT(stream) ON TABLE core.etl_checkpoints TO pulse_reader;
GRANT SELECT(watermark_at) ON TABLE core.etl_checkpoints TO pulse_reader;
GRANT SELECT(updated_at) ON TABLE core.etl_checkpoints TO pulse_reader;

-- core.etl_runs -------------------------------------------------------------------------------------------------------
CREATE TABLE core.etl_runs (
    client_id integer NOT NULL,
    id bigint NOT NULL,
    dag_run_id text NOT NULL,
    task_id text NOT NULL,
    integration_id bigint,
    scope_key text DEFAULT ''::text NOT NULL,
    state text DEFAULT 'running'::text NOT NULL,
    api_calls integer DEFAULT 0 NOT NULL,
    api_points integer DEFAULT 0 NOT NULL,
    rows_read bigint DEFAULT 0 NOT NULL,
    rows_written bigint DEFAULT 0 NOT NULL,
    rows_rejected bigint DEFAULT 0 NOT NULL,
    error text,
    started_at timestamp with time zone DEFAULT now() NOT NULL,
    finished_at timestamp with time zone,
    budget_remaining integer,
    resume_at timestamp with time zone,
    unfinished integer DEFAULT 0 NOT NULL,
    warnings text[] DEFAULT '{}'::text[] NOT NULL,
    steps_done integer DEFAULT 0 NOT NULL,
    steps_all integer DEFAULT 0 NOT NULL,
    CONSTRAINT etl_runs_state_check CHECK ((state = ANY (ARRAY['running'::text, 'success'::text, 'failed'::text, 'deferred'::text])))
);
ALTER TABLE ONLY core.etl_runs FORCE ROW LEVEL SECURITY;
COMMENT ON COLUMN core.etl_runs.budget_remaining IS 'What was left of the credential''s budget at the end, as upstream said.';
COMMENT ON COLUMN core.etl_runs.resume_at IS 'When a deferred run continues.';
COMMENT ON COLUMN core.etl_runs.unfinished IS 'How many streams stopped at the limit of the run; the next run continues them.';
COMMENT ON COLUMN core.etl_runs.warnings IS 'What an admin should know although the run succeeded, such as a token that expires soon.';
COMMENT ON COLUMN core.etl_runs.steps_done IS 'How many of them are done; written every second while the run is at work. Of repositories and projects, each has a run of its own.';
COMMENT ON COLUMN core.etl_runs.steps_all IS 'Of how many steps the work consists: the models of a stage; for a run that discovers, the repositories or projects that its DAG run is to read. 0 where nothing is counted.';
ALTER TABLE core.etl_runs ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME core.etl_runs_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);
ALTER TABLE ONLY core.etl_runs ADD CONSTRAINT etl_runs_pkey PRIMARY KEY (client_id, id);
CREATE INDEX etl_runs_recent ON core.etl_runs USING btree (client_id, started_at DESC);
CREATE INDEX etl_runs_running ON core.etl_runs USING btree (client_id) WHERE (state = 'running'::text);
CREATE TRIGGER tell AFTER INSERT OR UPDATE ON core.etl_runs FOR EACH STATEMENT EXECUTE FUNCTION core.tell_clients_moved();
ALTER TABLE ONLY core.etl_runs ADD CONSTRAINT etl_runs_client_id_fkey FOREIGN KEY (client_id) REFERENCES core.clients(id);
ALTER TABLE ONLY core.etl_runs ADD CONSTRAINT etl_runs_client_id_integration_id_fkey FOREIGN KEY (client_id, integration_id) REFERENCES core.integrations(client_id, id);
CREATE POLICY admin ON core.etl_runs FOR SELECT TO pulse_admin USING (true);
CREATE POLICY etl ON core.etl_runs TO pulse_etl USING ((client_id = ( SELECT core.etl_client_id() AS etl_client_id)));
ALTER TABLE core.etl_runs ENABLE ROW LEVEL SECURITY;
CREATE POLICY owner ON core.etl_runs TO pulse_owner USING ((SESSION_USER = 'pulse_owner'::name));
CREATE POLICY reader ON core.etl_runs FOR SELECT TO pulse_reader USING ((client_id = ( SELECT core.reader_client_id() AS reader_client_id)));
CREATE POLICY staff ON core.etl_runs FOR SELECT TO pulse_staff USING (true);
GRANT SELECT,INSERT,DELETE,MAINTAIN,UPDATE ON TABLE core.etl_runs TO pulse_etl;
GRANT SELECT ON TABLE core.etl_runs TO pulse_staff;
GRANT SELECT(client_id) ON TABLE core.etl_runs TO pulse_reader;
GRANT SELECT(client_id) ON TABLE core.etl_runs TO pulse_admin;
GRANT SELECT(id) ON TABLE core.etl_runs TO pulse_reader;
GRANT SELECT(integration_id) ON TABLE core.etl_runs TO pulse_reader;
GRANT SELECT(state) ON TABLE core.etl_runs TO pulse_reader;
GRANT SELECT(state) ON TABLE core.etl_runs TO pulse_admin;
GRANT SELECT(rows_read) ON TABLE core.etl_runs TO pulse_reader;
GRANT SELECT(rows_written) ON TABLE core.etl_runs TO pulse_reader;
GRANT SELECT(rows_rejected) ON TABLE core.etl_runs TO pulse_reader;
GRANT SELECT(started_at) ON TABLE core.etl_runs TO pulse_reader;
GRANT SELECT(started_at) ON TABLE core.etl_runs TO pulse_admin;
GRANT SELECT(finished_at) ON TABLE core.etl_runs TO pulse_reader;

-- core.forecasts ------------------------------------------------------------------------------------------------------
CREATE TABLE core.forecasts (
    client_id integer NOT NULL,
    made_on date NOT NULL,
    scope_type text NOT NULL,
    scope_id text NOT NULL,
    scope_name text NOT NULL,
    project_key text,
    url text,
    is_made_later boolean NOT NULL,
    done_items integer NOT NULL,
    remaining_items integer,
    past_weeks integer NOT NULL,
    past_items integer NOT NULL,
    due_on date NOT NULL,
    p50_on date,
    p85_on date,
    p95_on date,
    p50_items integer,
    p85_items integer,
    p95_items integer,
    null_reason text,
    reached_on date,
    came_true boolean,
    CONSTRAINT forecasts_null_reason_check CHECK ((null_reason = ANY (ARRAY['few_items'::text, 'few_weeks'::text]))),
    CONSTRAINT forecasts_scope_type_check CHECK ((scope_type = ANY (ARRAY['epic'::text, 'version'::text, 'sprint'::text, 'project'::text])))
);
ALTER TABLE ONLY core.forecasts FORCE ROW LEVEL SECURITY;
COMMENT ON TABLE core.forecasts IS 'One row per night and plan (epic, version, sprint) or project: when its remaining items will be done (not of a sprint or project), and how many by due_on. Rows of earlier nights stay as they were made; only reached_on and came_true are filled in later.';
COMMENT ON COLUMN core.forecasts.is_made_later IS 'Computed afterwards from what the changelog says of that day, so that there is a record from the first run on.';
COMMENT ON COLUMN core.forecasts.reached_on IS 'The day on which as many items had been done as remained; of a sprint or project, as p85_items.';
COMMENT ON COLUMN core.forecasts.came_true IS 'Whether reached_on was not after p85_on (of a sprint or project: due_on); NULL until that day has passed.';
ALTER TABLE ONLY core.forecasts ADD CONSTRAINT forecasts_pkey PRIMARY KEY (client_id, made_on, scope_type, scope_id);
CREATE INDEX forecasts_undecided ON core.forecasts USING btree (client_id, p85_on) WHERE (came_true IS NULL);
ALTER TABLE ONLY core.forecasts ADD CONSTRAINT forecasts_client_id_fkey FOREIGN KEY (client_id) REFERENCES core.clients(id);
CREATE POLICY etl ON core.forecasts TO pulse_etl USING ((client_id = ( SELECT core.etl_client_id() AS etl_client_id)));
ALTER TABLE core.forecasts ENABLE ROW LEVEL SECURITY;
CREATE POLICY owner ON core.forecasts TO pulse_owner USING ((SESSION_USER = 'pulse_owner'::name));
CREATE POLICY reader ON core.forecasts FOR SELECT TO pulse_reader USING ((client_id = ( SELECT core.reader_client_id() AS reader_client_id)));
CREATE POLICY staff ON core.forecasts FOR SELECT TO pulse_staff USING (true);
GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE core.forecasts TO pulse_etl;
GRANT SELECT ON TABLE core.forecasts TO pulse_staff;
GRANT SELECT ON TABLE core.forecasts TO pulse_reader;

-- core.github_deployment_statuses -------------------------------------------------------------------------------------
CREATE TABLE core.github_deployment_statuses (
    client_id integer NOT NULL,
    integration_id bigint NOT NULL,
    deployment_id bigint NOT NULL,
    id text NOT NULL,
    state text NOT NULL,
    created_at timestamp with time zone NOT NULL,
    log_url text
);
ALTER TABLE ONLY core.github_deployment_statuses FORCE ROW LEVEL SECURITY;
ALTER TABLE core.github_deployment_statuses ADD CONSTRAINT github_deployment_statuses_created_at_time CHECK (((created_at >= '1969-12-31 00:00:00+00'::timestamp with time zone) AND (created_at <= '2200-01-01 00:00:00+00'::timestamp with time zone))) NOT VALID;
ALTER TABLE ONLY core.github_deployment_statuses ADD CONSTRAINT github_deployment_statuses_pkey PRIMARY KEY (client_id, integration_id, deployment_id, id);
ALTER TABLE ONLY core.github_deployment_statuses ADD CONSTRAINT github_deployment_statuses_client_id_integration_id_deploy_fkey FOREIGN KEY (client_id, integration_id, deployment_id) REFERENCES core.github_deployments(client_id, integration_id, id) ON DELETE CASCADE;
CREATE POLICY etl ON core.github_deployment_statuses TO pulse_etl USING ((client_id = ( SELECT core.etl_client_id() AS etl_client_id)));
ALTER TABLE core.github_deployment_statuses ENABLE ROW LEVEL SECURITY;
CREATE POLICY owner ON core.github_deployment_statuses TO pulse_owner USING ((SESSION_USER = 'pulse_owner'::name));
CREATE POLICY reader ON core.github_deployment_statuses FOR SELECT TO pulse_reader USING ((client_id = ( SELECT core.reader_client_id() AS reader_client_id)));
CREATE POLICY staff ON core.github_deployment_statuses FOR SELECT TO pulse_staff USING (true);
GRANT SELECT,INSERT,DELETE,MAINTAIN,UPDATE ON TABLE core.github_deployment_statuses TO pulse_etl;
GRANT SELECT ON TABLE core.github_deployment_statuses TO pulse_staff;
GRANT SELECT ON TABLE core.github_deployment_statuses TO pulse_reader;

-- core.github_deployments ---------------------------------------------------------------------------------------------
CREATE TABLE core.github_deployments (
    client_id integer NOT NULL,
    integration_id bigint NOT NULL,
    id bigint NOT NULL,
    repository_id bigint NOT NULL,
    environment text NOT NULL,
    task text DEFAULT 'deploy'::text NOT NULL,
    sha text,
    ref_name text,
    description text DEFAULT ''::text NOT NULL,
    state text NOT NULL,
    url text,
    creator_login text,
    created_at timestamp with time zone NOT NULL,
    updated_at timestamp with time zone,
    first_success_at timestamp with time zone,
    first_failure_at timestamp with time zone,
    deleted_at timestamp with time zone,
    environment_url text
);
ALTER TABLE ONLY core.github_deployments FORCE ROW LEVEL SECURITY;
ALTER TABLE core.github_deployments ADD CONSTRAINT github_deployments_created_at_time CHECK (((created_at >= '1969-12-31 00:00:00+00'::timestamp with time zone) AND (created_at <= '2200-01-01 00:00:00+00'::timestamp with time zone))) NOT VALID;
ALTER TABLE core.github_deployments ADD CONSTRAINT github_deployments_environment_length CHECK ((octet_length(environment) <= 1000)) NOT VALID;
ALTER TABLE core.github_deployments ADD CONSTRAINT github_deployments_environment_url_length CHECK ((octet_length(environment_url) <= 2000)) NOT VALID;
ALTER TABLE core.github_deployments ADD CONSTRAINT github_deployments_first_failure_at_time CHECK (((first_failure_at >= '1969-12-31 00:00:00+00'::timestamp with time zone) AND (first_failure_at <= '2200-01-01 00:00:00+00'::timestamp with time zone))) NOT VALID;
ALTER TABLE core.github_deployments ADD CONSTRAINT github_deployments_first_success_at_time CHECK (((first_success_at >= '1969-12-31 00:00:00+00'::timestamp with time zone) AND (first_success_at <= '2200-01-01 00:00:00+00'::timestamp with time zone))) NOT VALID;
ALTER TABLE ONLY core.github_deployments ADD CONSTRAINT github_deployments_pkey PRIMARY KEY (client_id, integration_id, id);
ALTER TABLE core.github_deployments ADD CONSTRAINT github_deployments_ref_name_length CHECK ((octet_length(ref_name) <= 1000)) NOT VALID;
ALTER TABLE core.github_deployments ADD CONSTRAINT github_deployments_sha_length CHECK ((octet_length(sha) <= 200)) NOT VALID;
ALTER TABLE core.github_deployments ADD CONSTRAINT github_deployments_updated_at_time CHECK (((updated_at >= '1969-12-31 00:00:00+00'::timestamp with time zone) AND (updated_at <= '2200-01-01 00:00:00+00'::timestamp with time zone))) NOT VALID;
ALTER TABLE core.github_deployments ADD CONSTRAINT github_deployments_url_length CHECK ((octet_length(url) <= 2000)) NOT VALID;
CREATE INDEX github_deployments_sha ON core.github_deployments USING btree (client_id, integration_id, sha, repository_id);
CREATE INDEX github_deployments_updated ON core.github_deployments USING btree (client_id, integration_id, updated_at);
CREATE TRIGGER dora_delete AFTER DELETE ON core.github_deployments REFERENCING OLD TABLE AS old_rows FOR EACH STATEMENT EXECUTE FUNCTION core.enqueue_dora('deployment', 'id');
CREATE TRIGGER dora_insert AFTER INSERT ON core.github_deployments REFERENCING NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION core.enqueue_dora('deployment', 'id');
CREATE TRIGGER dora_update AFTER UPDATE ON core.github_deployments REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION core.enqueue_dora('deployment', 'id');
ALTER TABLE ONLY core.github_deployments ADD CONSTRAINT github_deployments_client_id_integration_id_repository_id_fkey FOREIGN KEY (client_id, integration_id, repository_id) REFERENCES core.repositories(client_id, integration_id, id);
CREATE POLICY etl ON core.github_deployments TO pulse_etl USING ((client_id = ( SELECT core.etl_client_id() AS etl_client_id)));
ALTER TABLE core.github_deployments ENABLE ROW LEVEL SECURITY;
CREATE POLICY owner ON core.github_deployments TO pulse_owner USING ((SESSION_USER = 'pulse_owner'::name));
CREATE POLICY reader ON core.github_deployments FOR SELECT TO pulse_reader USING ((client_id = ( SELECT core.reader_client_id() AS reader_client_id)));
CREATE POLICY staff ON core.github_deployments FOR SELECT TO pulse_staff USING (true);
GRANT SELECT,INSERT,DELETE,MAINTAIN,UPDATE ON TABLE core.github_deployments TO pulse_etl;
GRANT SELECT ON TABLE core.github_deployments TO pulse_staff;
GRANT SELECT ON TABLE core.github_deployments TO pulse_reader;

-- core.github_releases ------------------------------------------------------------------------------------------------
CREATE TABLE core.github_releases (
    client_id integer NOT NULL,
    integration_id bigint NOT NULL,
    id bigint NOT NULL,
    repository_id bigint NOT NULL,
    tag_name text NOT NULL,
    sha text,
    name text,
    is_prerelease boolean DEFAULT false NOT NULL,
    url text NOT NULL,
    created_at timestamp with time zone NOT NULL,
    published_at timestamp with time zone,
    deleted_at timestamp with time zone
);
ALTER TABLE ONLY core.github_releases FORCE ROW LEVEL SECURITY;
ALTER TABLE core.github_releases ADD CONSTRAINT github_releases_created_at_time CHECK (((created_at >= '1969-12-31 00:00:00+00'::timestamp with time zone) AND (created_at <= '2200-01-01 00:00:00+00'::timestamp with time zone))) NOT VALID;
ALTER TABLE ONLY core.github_releases ADD CONSTRAINT github_releases_pkey PRIMARY KEY (client_id, integration_id, id);
ALTER TABLE core.github_releases ADD CONSTRAINT github_releases_published_at_time CHECK (((published_at >= '1969-12-31 00:00:00+00'::timestamp with time zone) AND (published_at <= '2200-01-01 00:00:00+00'::timestamp with time zone))) NOT VALID;
ALTER TABLE core.github_releases ADD CONSTRAINT github_releases_sha_length CHECK ((octet_length(sha) <= 200)) NOT VALID;
ALTER TABLE core.github_releases ADD CONSTRAINT github_releases_tag_name_length CHECK ((octet_length(tag_name) <= 1000)) NOT VALID;
ALTER TABLE core.github_releases ADD CONSTRAINT github_releases_url_length CHECK ((octet_length(url) <= 2000)) NOT VALID;
CREATE INDEX github_releases_sha ON core.github_releases USING btree (client_id, integration_id, sha, repository_id);
CREATE TRIGGER dora_delete AFTER DELETE ON core.github_releases REFERENCING OLD TABLE AS old_rows FOR EACH STATEMENT EXECUTE FUNCTION core.enqueue_dora('release', 'id');
CREATE TRIGGER dora_insert AFTER INSERT ON core.github_releases REFERENCING NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION core.enqueue_dora('release', 'id');
CREATE TRIGGER dora_update AFTER UPDATE ON core.github_releases REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION core.enqueue_dora('release', 'id');
ALTER TABLE ONLY core.github_releases ADD CONSTRAINT github_releases_client_id_integration_id_repository_id_fkey FOREIGN KEY (client_id, integration_id, repository_id) REFERENCES core.repositories(client_id, integration_id, id);
CREATE POLICY etl ON core.github_releases TO pulse_etl USING ((client_id = ( SELECT core.etl_client_id() AS etl_client_id)));
ALTER TABLE core.github_releases ENABLE ROW LEVEL SECURITY;
CREATE POLICY owner ON core.github_releases TO pulse_owner USING ((SESSION_USER = 'pulse_owner'::name));
CREATE POLICY reader ON core.github_releases FOR SELECT TO pulse_reader USING ((client_id = ( SELECT core.reader_client_id() AS reader_client_id)));
CREATE POLICY staff ON core.github_releases FOR SELECT TO pulse_staff USING (true);
GRANT SELECT,INSERT,DELETE,MAINTAIN,UPDATE ON TABLE core.github_releases TO pulse_etl;
GRANT SELECT ON TABLE core.github_releases TO pulse_staff;
GRANT SELECT ON TABLE core.github_releases TO pulse_reader;

-- core.github_tags ----------------------------------------------------------------------------------------------------
CREATE TABLE core.github_tags (
    client_id integer NOT NULL,
    integration_id bigint NOT NULL,
    repository_id bigint NOT NULL,
    name text NOT NULL,
    sha text NOT NULL,
    tagged_at timestamp with time zone,
    deleted_at timestamp with time zone
);
ALTER TABLE ONLY core.github_tags FORCE ROW LEVEL SECURITY;
COMMENT ON TABLE core.github_tags IS 'One row per tag of a repository: the commit it names and, for an annotated tag, when it was made.';
ALTER TABLE ONLY core.github_tags ADD CONSTRAINT github_tags_pkey PRIMARY KEY (client_id, integration_id, repository_id, name);
ALTER TABLE core.github_tags ADD CONSTRAINT github_tags_tagged_at_time CHECK (((tagged_at >= '1969-12-31 00:00:00+00'::timestamp with time zone) AND (tagged_at <= '2200-01-01 00:00:00+00'::timestamp with time zone))) NOT VALID;
ALTER TABLE ONLY core.github_tags ADD CONSTRAINT github_tags_client_id_integration_id_repository_id_fkey FOREIGN KEY (client_id, integration_id, repository_id) REFERENCES core.repositories(client_id, integration_id, id);
CREATE POLICY etl ON core.github_tags TO pulse_etl USING ((client_id = ( SELECT core.etl_client_id() AS etl_client_id)));
ALTER TABLE core.github_tags ENABLE ROW LEVEL SECURITY;
CREATE POLICY owner ON core.github_tags TO pulse_owner USING ((SESSION_USER = 'pulse_owner'::name));
CREATE POLICY reader ON core.github_tags FOR SELECT TO pulse_reader USING ((client_id = ( SELECT core.reader_client_id() AS reader_client_id)));
CREATE POLICY staff ON core.github_tags FOR SELECT TO pulse_staff USING (true);
GRANT SELECT,INSERT,DELETE,MAINTAIN,UPDATE ON TABLE core.github_tags TO pulse_etl;
GRANT SELECT ON TABLE core.github_tags TO pulse_staff;
GRANT SELECT ON TABLE core.github_tags TO pulse_reader;

-- core.github_workflow_jobs -------------------------------------------------------------------------------------------
CREATE TABLE core.github_workflow_jobs (
    client_id integer NOT NULL,
    integration_id bigint NOT NULL,
    id bigint NOT NULL,
    run_id bigint NOT NULL,
    run_attempt integer NOT NULL,
    name text NOT NULL,
    status text NOT NULL,
    conclusion text,
    started_at timestamp with time zone,
    completed_at timestamp with time zone,
    deleted_at timestamp with time zone
);
ALTER TABLE ONLY core.github_workflow_jobs FORCE ROW LEVEL SECURITY;
COMMENT ON TABLE core.github_workflow_jobs IS 'One row per job of an attempt of a workflow run.';
ALTER TABLE core.github_workflow_jobs ADD CONSTRAINT github_workflow_jobs_completed_at_time CHECK (((completed_at >= '1969-12-31 00:00:00+00'::timestamp with time zone) AND (completed_at <= '2200-01-01 00:00:00+00'::timestamp with time zone))) NOT VALID;
ALTER TABLE ONLY core.github_workflow_jobs ADD CONSTRAINT github_workflow_jobs_pkey PRIMARY KEY (client_id, integration_id, id);
ALTER TABLE core.github_workflow_jobs ADD CONSTRAINT github_workflow_jobs_started_at_time CHECK (((started_at >= '1969-12-31 00:00:00+00'::timestamp with time zone) AND (started_at <= '2200-01-01 00:00:00+00'::timestamp with time zone))) NOT VALID;
CREATE INDEX github_workflow_jobs_run ON core.github_workflow_jobs USING btree (client_id, integration_id, run_id, run_attempt);
ALTER TABLE ONLY core.github_workflow_jobs ADD CONSTRAINT github_workflow_jobs_client_id_integration_id_run_id_run_a_fkey FOREIGN KEY (client_id, integration_id, run_id, run_attempt) REFERENCES core.github_workflow_runs(client_id, integration_id, id, run_attempt) ON DELETE CASCADE;
CREATE POLICY etl ON core.github_workflow_jobs TO pulse_etl USING ((client_id = ( SELECT core.etl_client_id() AS etl_client_id)));
ALTER TABLE core.github_workflow_jobs ENABLE ROW LEVEL SECURITY;
CREATE POLICY owner ON core.github_workflow_jobs TO pulse_owner USING ((SESSION_USER = 'pulse_owner'::name));
CREATE POLICY reader ON core.github_workflow_jobs FOR SELECT TO pulse_reader USING ((client_id = ( SELECT core.reader_client_id() AS reader_client_id)));
CREATE POLICY staff ON core.github_workflow_jobs FOR SELECT TO pulse_staff USING (true);
GRANT SELECT,INSERT,DELETE,MAINTAIN,UPDATE ON TABLE core.github_workflow_jobs TO pulse_etl;
GRANT SELECT ON TABLE core.github_workflow_jobs TO pulse_staff;
GRANT SELECT ON TABLE core.github_workflow_jobs TO pulse_reader;

-- core.github_workflow_runs -------------------------------------------------------------------------------------------
CREATE TABLE core.github_workflow_runs (
    client_id integer NOT NULL,
    integration_id bigint NOT NULL,
    id bigint NOT NULL,
    run_attempt integer NOT NULL,
    repository_id bigint NOT NULL,
    workflow_name text NOT NULL,
    event text NOT NULL,
    head_branch text,
    head_sha text NOT NULL,
    status text NOT NULL,
    conclusion text,
    url text NOT NULL,
    created_at timestamp with time zone NOT NULL,
    started_at timestamp with time zone,
    updated_at timestamp with time zone NOT NULL,
    deleted_at timestamp with time zone
);
ALTER TABLE ONLY core.github_workflow_runs FORCE ROW LEVEL SECURITY;
ALTER TABLE core.github_workflow_runs ADD CONSTRAINT github_workflow_runs_created_at_time CHECK (((created_at >= '1969-12-31 00:00:00+00'::timestamp with time zone) AND (created_at <= '2200-01-01 00:00:00+00'::timestamp with time zone))) NOT VALID;
ALTER TABLE core.github_workflow_runs ADD CONSTRAINT github_workflow_runs_head_branch_length CHECK ((octet_length(head_branch) <= 1000)) NOT VALID;
ALTER TABLE core.github_workflow_runs ADD CONSTRAINT github_workflow_runs_head_sha_length CHECK ((octet_length(head_sha) <= 200)) NOT VALID;
ALTER TABLE ONLY core.github_workflow_runs ADD CONSTRAINT github_workflow_runs_pkey PRIMARY KEY (client_id, integration_id, id, run_attempt);
ALTER TABLE core.github_workflow_runs ADD CONSTRAINT github_workflow_runs_started_at_time CHECK (((started_at >= '1969-12-31 00:00:00+00'::timestamp with time zone) AND (started_at <= '2200-01-01 00:00:00+00'::timestamp with time zone))) NOT VALID;
ALTER TABLE core.github_workflow_runs ADD CONSTRAINT github_workflow_runs_updated_at_time CHECK (((updated_at >= '1969-12-31 00:00:00+00'::timestamp with time zone) AND (updated_at <= '2200-01-01 00:00:00+00'::timestamp with time zone))) NOT VALID;
ALTER TABLE core.github_workflow_runs ADD CONSTRAINT github_workflow_runs_url_length CHECK ((octet_length(url) <= 2000)) NOT VALID;
CREATE INDEX github_workflow_runs_sha ON core.github_workflow_runs USING btree (client_id, integration_id, head_sha, repository_id);
CREATE TRIGGER dora_delete AFTER DELETE ON core.github_workflow_runs REFERENCING OLD TABLE AS old_rows FOR EACH STATEMENT EXECUTE FUNCTION core.enqueue_dora('workflow_run', 'id || '':'' || run_attempt');
CREATE TRIGGER dora_insert AFTER INSERT ON core.github_workflow_runs REFERENCING NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION core.enqueue_dora('workflow_run', 'id || '':'' || run_attempt');
CREATE TRIGGER dora_update AFTER UPDATE ON core.github_workflow_runs REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION core.enqueue_dora('workflow_run', 'id || '':'' || run_attempt');
ALTER TABLE ONLY core.github_workflow_runs ADD CONSTRAINT github_workflow_runs_client_id_integration_id_repository_i_fkey FOREIGN KEY (client_id, integration_id, repository_id) REFERENCES core.repositories(client_id, integration_id, id);
CREATE POLICY etl ON core.github_workflow_runs TO pulse_etl USING ((client_id = ( SELECT core.etl_client_id() AS etl_client_id)));
ALTER TABLE core.github_workflow_runs ENABLE ROW LEVEL SECURITY;
CREATE POLICY owner ON core.github_workflow_runs TO pulse_owner USING ((SESSION_USER = 'pulse_owner'::name));
CREATE POLICY reader ON core.github_workflow_runs FOR SELECT TO pulse_reader USING ((client_id = ( SELECT core.reader_client_id() AS reader_client_id)));
CREATE POLICY staff ON core.github_workflow_runs FOR SELECT TO pulse_staff USING (true);
GRANT SELECT,INSERT,DELETE,MAINTAIN,UPDATE ON TABLE core.github_workflow_runs TO pulse_etl;
GRANT SELECT ON TABLE core.github_workflow_runs TO pulse_staff;
GRANT SELECT ON TABLE core.github_workflow_runs TO pulse_reader;

-- core.held_commits ---------------------------------------------------------------------------------------------------
CREATE TABLE core.held_commits (
    client_id integer NOT NULL,
    integration_id bigint NOT NULL,
    repository_id bigint NOT NULL,
    sha text NOT NULL,
    commit_sha text NOT NULL,
    holds_sha text NOT NULL
);
ALTER TABLE ONLY core.held_commits FORCE ROW LEVEL SECURITY;
COMMENT ON TABLE core.held_commits IS 'One row per deployed commit (sha), commit of its branch (commit_sha), and commit whose change that one has (holds_sha).';
ALTER TABLE ONLY core.held_commits ADD CONSTRAINT held_commits_pkey PRIMARY KEY (client_id, integration_id, repository_id, sha, commit_sha, holds_sha);
CREATE INDEX held_commits_commit ON core.held_commits USING btree (client_id, integration_id, repository_id, commit_sha);
CREATE INDEX held_commits_holds ON core.held_commits USING btree (client_id, integration_id, repository_id, holds_sha);
CREATE POLICY etl ON core.held_commits TO pulse_etl USING ((client_id = ( SELECT core.etl_client_id() AS etl_client_id)));
ALTER TABLE core.held_commits ENABLE ROW LEVEL SECURITY;
CREATE POLICY owner ON core.held_commits TO pulse_owner USING ((SESSION_USER = 'pulse_owner'::name));
CREATE POLICY reader ON core.held_commits FOR SELECT TO pulse_reader USING ((client_id = ( SELECT core.reader_client_id() AS reader_client_id)));
CREATE POLICY staff ON core.held_commits FOR SELECT TO pulse_staff USING (true);
GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE core.held_commits TO pulse_etl;
GRANT SELECT ON TABLE core.held_commits TO pulse_staff;
GRANT SELECT ON TABLE core.held_commits TO pulse_reader;

-- core.incident_deployments -------------------------------------------------------------------------------------------
CREATE TABLE core.incident_deployments (
    client_id integer NOT NULL,
    incident_id text NOT NULL,
    deployment_id text NOT NULL,
    method text NOT NULL,
    confidence numeric(3,2) NOT NULL,
    recovery_hours double precision,
    CONSTRAINT incident_deployments_confidence_check CHECK (((confidence >= (0)::numeric) AND (confidence <= (1)::numeric))),
    CONSTRAINT incident_deployments_method_check CHECK ((method = ANY (ARRAY['explicit'::text, 'fix_reverts'::text, 'linked_issue'::text, 'fix_version'::text, 'time_window'::text])))
);
ALTER TABLE ONLY core.incident_deployments FORCE ROW LEVEL SECURITY;
ALTER TABLE ONLY core.incident_deployments ADD CONSTRAINT incident_deployments_pkey PRIMARY KEY (client_id, incident_id);
CREATE INDEX incident_deployments_deployment ON core.incident_deployments USING btree (client_id, deployment_id);
CREATE POLICY etl ON core.incident_deployments TO pulse_etl USING ((client_id = ( SELECT core.etl_client_id() AS etl_client_id)));
ALTER TABLE core.incident_deployments ENABLE ROW LEVEL SECURITY;
CREATE POLICY owner ON core.incident_deployments TO pulse_owner USING ((SESSION_USER = 'pulse_owner'::name));
CREATE POLICY reader ON core.incident_deployments FOR SELECT TO pulse_reader USING ((client_id = ( SELECT core.reader_client_id() AS reader_client_id)));
CREATE POLICY staff ON core.incident_deployments FOR SELECT TO pulse_staff USING (true);
GRANT SELECT,INSERT,DELETE,MAINTAIN,UPDATE ON TABLE core.incident_deployments TO pulse_etl;
GRANT SELECT ON TABLE core.incident_deployments TO pulse_staff;
GRANT SELECT ON TABLE core.incident_deployments TO pulse_reader;

-- core.incident_references --------------------------------------------------------------------------------------------
CREATE TABLE core.incident_references (
    client_id integer NOT NULL,
    incident_id text NOT NULL,
    kind text NOT NULL,
    reference text NOT NULL,
    CONSTRAINT incident_references_kind_check CHECK ((kind = ANY (ARRAY['url'::text, 'sha'::text, 'number'::text, 'linked'::text, 'key'::text, 'fix_version'::text])))
);
ALTER TABLE ONLY core.incident_references FORCE ROW LEVEL SECURITY;
COMMENT ON TABLE core.incident_references IS 'One row per thing that an incident names: addresses and commits in its text, keys of linked issues, its fix versions. Of kind key: the key by which changes name the incident itself.';
ALTER TABLE ONLY core.incident_references ADD CONSTRAINT incident_references_pkey PRIMARY KEY (client_id, incident_id, kind, reference);
CREATE INDEX incident_references_reference ON core.incident_references USING btree (client_id, kind, reference);
CREATE POLICY etl ON core.incident_references TO pulse_etl USING ((client_id = ( SELECT core.etl_client_id() AS etl_client_id)));
ALTER TABLE core.incident_references ENABLE ROW LEVEL SECURITY;
CREATE POLICY owner ON core.incident_references TO pulse_owner USING ((SESSION_USER = 'pulse_owner'::name));
CREATE POLICY reader ON core.incident_references FOR SELECT TO pulse_reader USING ((client_id = ( SELECT core.reader_client_id() AS reader_client_id)));
CREATE POLICY staff ON core.incident_references FOR SELECT TO pulse_staff USING (true);
GRANT SELECT,INSERT,DELETE,MAINTAIN,UPDATE ON TABLE core.incident_references TO pulse_etl;
GRANT SELECT ON TABLE core.incident_references TO pulse_staff;
GRANT SELECT ON TABLE core.incident_references TO pulse_reader;

-- core.incidents ------------------------------------------------------------------------------------------------------
CREATE TABLE core.incidents (
    client_id integer NOT NULL,
    id text NOT NULL,
    service_id text,
    integration_id bigint NOT NULL,
    source text NOT NULL,
    key text NOT NULL,
    title text NOT NULL,
    url text,
    severity text,
    created_at timestamp with time zone NOT NULL,
    resolved_at timestamp with time zone,
    resolved_on date,
    time_to_restore_hours double precision,
    is_external boolean DEFAULT false NOT NULL,
    calendar_hours double precision
);
ALTER TABLE ONLY core.incidents FORCE ROW LEVEL SECURITY;
COMMENT ON COLUMN core.incidents.is_external IS 'Marked as not caused by a change (external_labels of the incident rule).';
COMMENT ON COLUMN core.incidents.calendar_hours IS 'The time to restore in elapsed hours, whatever dora.working_calendar says. Tiers use it.';
ALTER TABLE ONLY core.incidents ADD CONSTRAINT incidents_pkey PRIMARY KEY (client_id, id);
CREATE INDEX incidents_created ON core.incidents USING btree (client_id, created_at);
CREATE INDEX incidents_resolved ON core.incidents USING btree (client_id, resolved_on);
CREATE INDEX incidents_service ON core.incidents USING btree (client_id, service_id, created_at);
CREATE INDEX incidents_service_resolved ON core.incidents USING btree (client_id, service_id, resolved_on);
CREATE POLICY etl ON core.incidents TO pulse_etl USING ((client_id = ( SELECT core.etl_client_id() AS etl_client_id)));
ALTER TABLE core.incidents ENABLE ROW LEVEL SECURITY;
CREATE POLICY owner ON core.incidents TO pulse_owner USING ((SESSION_USER = 'pulse_owner'::name));
CREATE POLICY reader ON core.incidents FOR SELECT TO pulse_reader USING ((client_id = ( SELECT core.reader_client_id() AS reader_client_id)));
CREATE POLICY staff ON core.incidents FOR SELECT TO pulse_staff USING (true);
GRANT SELECT,INSERT,DELETE,MAINTAIN,UPDATE ON TABLE core.incidents TO pulse_etl;
GRANT SELECT ON TABLE core.incidents TO pulse_staff;
GRANT SELECT ON TABLE core.incidents TO pulse_reader;

-- core.ingest_deliveries ----------------------------------------------------------------------------------------------
CREATE TABLE core.ingest_deliveries (
    client_id integer NOT NULL,
    integration_id bigint NOT NULL,
    delivery text NOT NULL,
    received_at timestamp with time zone DEFAULT now() NOT NULL
);
ALTER TABLE ONLY core.ingest_deliveries FORCE ROW LEVEL SECURITY;
ALTER TABLE ONLY core.ingest_deliveries ADD CONSTRAINT ingest_deliveries_pkey PRIMARY KEY (client_id, integration_id, delivery);
CREATE INDEX ingest_deliveries_received ON core.ingest_deliveries USING btree (client_id, integration_id, received_at);
ALTER TABLE ONLY core.ingest_deliveries ADD CONSTRAINT ingest_deliveries_client_id_integration_id_fkey FOREIGN KEY (client_id, integration_id) REFERENCES core.integrations(client_id, id);
CREATE POLICY etl ON core.ingest_deliveries TO pulse_etl USING ((client_id = ( SELECT core.etl_client_id() AS etl_client_id)));
CREATE POLICY ingest ON core.ingest_deliveries TO pulse_ingest USING (((client_id, integration_id) = ( SELECT s.client_id,
    s.integration_id
   FROM core.ingest_source() s(client_id, integration_id, slug, integration_type, name, config_data))));
ALTER TABLE core.ingest_deliveries ENABLE ROW LEVEL SECURITY;
CREATE POLICY owner ON core.ingest_deliveries TO pulse_owner USING ((SESSION_USER = 'pulse_owner'::name));
CREATE POLICY staff ON core.ingest_deliveries FOR SELECT TO pulse_staff USING (true);
GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE core.ingest_deliveries TO pulse_etl;
GRANT SELECT ON TABLE core.ingest_deliveries TO pulse_staff;
GRANT SELECT,INSERT,DELETE ON TABLE core.ingest_deliveries TO pulse_ingest;

-- core.ingest_keys ----------------------------------------------------------------------------------------------------
CREATE TABLE core.ingest_keys (
    client_id integer NOT NULL,
    id bigint NOT NULL,
    integration_id bigint NOT NULL,
    kind text NOT NULL,
    key_hash text NOT NULL,
    nonce text,
    label text DEFAULT ''::text NOT NULL,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    revoked_at timestamp with time zone,
    CONSTRAINT ingest_keys_kind_check CHECK ((kind = ANY (ARRAY['token'::text, 'webhook'::text])))
);
ALTER TABLE ONLY core.ingest_keys FORCE ROW LEVEL SECURITY;
COMMENT ON COLUMN core.ingest_keys.key_hash IS 'SHA-256 of the token or secret, in hex. The key itself is stored nowhere.';
COMMENT ON COLUMN core.ingest_keys.nonce IS 'What a webhook''s secret is derived from, together with PULSE_WEBHOOK_SECRET: a signature can only be checked with the secret itself.';
ALTER TABLE core.ingest_keys ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME core.ingest_keys_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);
ALTER TABLE ONLY core.ingest_keys ADD CONSTRAINT ingest_keys_pkey PRIMARY KEY (client_id, id);
CREATE INDEX ingest_keys_hash ON core.ingest_keys USING btree (key_hash) WHERE (revoked_at IS NULL);
CREATE TRIGGER audit AFTER INSERT OR UPDATE ON core.ingest_keys FOR EACH ROW EXECUTE FUNCTION audit.keys();
ALTER TABLE ONLY core.ingest_keys ADD CONSTRAINT ingest_keys_client_id_integration_id_fkey FOREIGN KEY (client_id, integration_id) REFERENCES core.integrations(client_id, id);
CREATE POLICY admin ON core.ingest_keys TO pulse_admin USING (true);
CREATE POLICY ingest ON core.ingest_keys FOR SELECT TO pulse_owner USING ((SESSION_USER = 'pulse_ingest'::name));
ALTER TABLE core.ingest_keys ENABLE ROW LEVEL SECURITY;
CREATE POLICY owner ON core.ingest_keys TO pulse_owner USING ((SESSION_USER = 'pulse_owner'::name));
GRANT SELECT,INSERT ON TABLE core.ingest_keys TO pulse_admin;
GRANT UPDATE(revoked_at) ON TABLE core.ingest_keys TO pulse_admin;

-- core.ingest_moves ---------------------------------------------------------------------------------------------------
CREATE TABLE core.ingest_moves (
    client_id integer NOT NULL,
    integration_id bigint NOT NULL,
    scope_key text NOT NULL,
    stream text NOT NULL,
    moved_at timestamp with time zone DEFAULT now() NOT NULL
);
ALTER TABLE ONLY core.ingest_moves FORCE ROW LEVEL SECURITY;
ALTER TABLE ONLY core.ingest_moves ADD CONSTRAINT ingest_moves_pkey PRIMARY KEY (client_id, integration_id, scope_key, stream);
ALTER TABLE ONLY core.ingest_moves ADD CONSTRAINT ingest_moves_client_id_integration_id_fkey FOREIGN KEY (client_id, integration_id) REFERENCES core.integrations(client_id, id);
CREATE POLICY etl ON core.ingest_moves TO pulse_etl USING ((client_id = ( SELECT core.etl_client_id() AS etl_client_id)));
CREATE POLICY ingest ON core.ingest_moves TO pulse_ingest USING (((client_id, integration_id) = ( SELECT s.client_id,
    s.integration_id
   FROM core.ingest_source() s(client_id, integration_id, slug, integration_type, name, config_data))));
ALTER TABLE core.ingest_moves ENABLE ROW LEVEL SECURITY;
CREATE POLICY owner ON core.ingest_moves TO pulse_owner USING ((SESSION_USER = 'pulse_owner'::name));
CREATE POLICY staff ON core.ingest_moves FOR SELECT TO pulse_staff USING (true);
GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE core.ingest_moves TO pulse_etl;
GRANT SELECT ON TABLE core.ingest_moves TO pulse_staff;
GRANT SELECT,INSERT,UPDATE ON TABLE core.ingest_moves TO pulse_ingest;

-- core.ingest_runs ----------------------------------------------------------------------------------------------------
CREATE TABLE core.ingest_runs (
    client_id integer NOT NULL,
    wished bigint DEFAULT 1 NOT NULL,
    satisfied bigint DEFAULT 0 NOT NULL,
    claimed_at timestamp with time zone
);
ALTER TABLE ONLY core.ingest_runs FORCE ROW LEVEL SECURITY;
ALTER TABLE ONLY core.ingest_runs ADD CONSTRAINT ingest_runs_pkey PRIMARY KEY (client_id);
ALTER TABLE ONLY core.ingest_runs ADD CONSTRAINT ingest_runs_client_id_fkey FOREIGN KEY (client_id) REFERENCES core.clients(id);
CREATE POLICY etl ON core.ingest_runs TO pulse_etl USING ((client_id = ( SELECT core.etl_client_id() AS etl_client_id)));
CREATE POLICY ingest ON core.ingest_runs TO pulse_ingest USING ((client_id = ( SELECT s.client_id
   FROM core.ingest_source() s(client_id, integration_id, slug, integration_type, name, config_data))));
ALTER TABLE core.ingest_runs ENABLE ROW LEVEL SECURITY;
CREATE POLICY owner ON core.ingest_runs TO pulse_owner USING ((SESSION_USER = 'pulse_owner'::name));
CREATE POLICY runs ON core.ingest_runs TO pulse_owner USING ((SESSION_USER = 'pulse_ingest'::name));
CREATE POLICY staff ON core.ingest_runs FOR SELECT TO pulse_staff USING (true);
GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE core.ingest_runs TO pulse_etl;
GRANT SELECT ON TABLE core.ingest_runs TO pulse_staff;
GRANT SELECT,INSERT,UPDATE ON TABLE core.ingest_runs TO pulse_ingest;

-- core.installation_alerts --------------------------------------------------------------------------------------------
CREATE TABLE core.installation_alerts (
    id bigint NOT NULL,
    kind text NOT NULL,
    cause text NOT NULL,
    begun_at timestamp with time zone DEFAULT now() NOT NULL,
    told_at timestamp with time zone,
    over_at timestamp with time zone,
    over_told_at timestamp with time zone
);
ALTER TABLE ONLY core.installation_alerts FORCE ROW LEVEL SECURITY;
COMMENT ON TABLE core.installation_alerts IS 'As core.alerts, of problems that concern no single client: one row from the beginning of a problem to its end.';
ALTER TABLE core.installation_alerts ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME core.installation_alerts_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);
ALTER TABLE ONLY core.installation_alerts ADD CONSTRAINT installation_alerts_pkey PRIMARY KEY (id);
CREATE UNIQUE INDEX installation_alerts_open ON core.installation_alerts USING btree (kind) WHERE (over_at IS NULL);
CREATE POLICY admin ON core.installation_alerts TO pulse_admin USING (true);
ALTER TABLE core.installation_alerts ENABLE ROW LEVEL SECURITY;
GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE core.installation_alerts TO pulse_admin;

-- core.integrations ---------------------------------------------------------------------------------------------------
CREATE TABLE core.integrations (
    client_id integer NOT NULL,
    id bigint NOT NULL,
    integration_type text NOT NULL,
    name text NOT NULL,
    base_url text NOT NULL,
    connection_id text NOT NULL,
    config_data jsonb DEFAULT '{}'::jsonb NOT NULL,
    schedule_minutes integer DEFAULT 60 NOT NULL,
    active boolean DEFAULT true NOT NULL,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    updated_at timestamp with time zone DEFAULT now() NOT NULL,
    CONSTRAINT integrations_schedule_minutes_check CHECK (((schedule_minutes >= 1) AND (schedule_minutes <= 10080)))
);
ALTER TABLE ONLY core.integrations FORCE ROW LEVEL SECURITY;
ALTER TABLE core.integrations ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME core.integrations_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);
ALTER TABLE ONLY core.integrations ADD CONSTRAINT integrations_client_id_integration_type_name_key UNIQUE (client_id, integration_type, name);
ALTER TABLE ONLY core.integrations ADD CONSTRAINT integrations_pkey PRIMARY KEY (client_id, id);
CREATE TRIGGER audit AFTER INSERT OR DELETE OR UPDATE ON core.integrations FOR EACH ROW EXECUTE FUNCTION audit.sources();
ALTER TABLE ONLY core.integrations ADD CONSTRAINT integrations_client_id_fkey FOREIGN KEY (client_id) REFERENCES core.clients(id);
CREATE POLICY admin ON core.integrations TO pulse_admin USING (true);
CREATE POLICY etl ON core.integrations FOR SELECT TO pulse_etl USING ((client_id = ( SELECT core.etl_client_id() AS etl_client_id)));
CREATE POLICY ingest ON core.integrations FOR SELECT TO pulse_owner USING ((SESSION_USER = 'pulse_ingest'::name));
ALTER TABLE core.integrations ENABLE ROW LEVEL SECURITY;
CREATE POLICY owner ON core.integrations TO pulse_owner USING ((SESSION_USER = 'pulse_owner'::name));
CREATE POLICY reader ON core.integrations FOR SELECT TO pulse_reader USING ((client_id = ( SELECT core.reader_client_id() AS reader_client_id)));
CREATE POLICY staff ON core.integrations FOR SELECT TO pulse_staff USING (true);
GRANT SELECT ON TABLE core.integrations TO pulse_staff;
GRANT SELECT,MAINTAIN ON TABLE core.integrations TO pulse_etl;
GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE core.integrations TO pulse_admin;
GRANT SELECT(client_id) ON TABLE core.integrations TO pulse_reader;
GRANT SELECT(id) ON TABLE core.integrations TO pulse_reader;
GRANT SELECT(integration_type) ON TABLE core.integrations TO pulse_reader;
GRANT SELECT(name) ON TABLE core.integrations TO pulse_reader;
GRANT SELECT(active) ON TABLE core.integrations TO pulse_reader;

-- core.issue_changes --------------------------------------------------------------------------------------------------
CREATE TABLE core.issue_changes (
    client_id integer NOT NULL,
    integration_id bigint NOT NULL,
    issue_id bigint NOT NULL,
    history_id bigint NOT NULL,
    item_index integer NOT NULL,
    field text NOT NULL,
    field_id text,
    from_id text,
    from_text text,
    to_id text,
    to_text text,
    author text,
    created_at timestamp with time zone NOT NULL
);
ALTER TABLE ONLY core.issue_changes FORCE ROW LEVEL SECURITY;
ALTER TABLE core.issue_changes ADD CONSTRAINT issue_changes_created_at_time CHECK (((created_at >= '1969-12-31 00:00:00+00'::timestamp with time zone) AND (created_at <= '2200-01-01 00:00:00+00'::timestamp with time zone))) NOT VALID;
ALTER TABLE ONLY core.issue_changes ADD CONSTRAINT issue_changes_pkey PRIMARY KEY (client_id, integration_id, issue_id, history_id, item_index);
CREATE TRIGGER dora_delete AFTER DELETE ON core.issue_changes REFERENCING OLD TABLE AS old_rows FOR EACH STATEMENT EXECUTE FUNCTION core.enqueue_dora('issue', 'issue_id');
CREATE TRIGGER dora_insert AFTER INSERT ON core.issue_changes REFERENCING NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION core.enqueue_dora('issue', 'issue_id');
CREATE TRIGGER dora_update AFTER UPDATE ON core.issue_changes REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION core.enqueue_dora('issue', 'issue_id');
ALTER TABLE ONLY core.issue_changes ADD CONSTRAINT issue_changes_client_id_integration_id_issue_id_fkey FOREIGN KEY (client_id, integration_id, issue_id) REFERENCES core.issues(client_id, integration_id, id) ON DELETE CASCADE;
CREATE POLICY etl ON core.issue_changes TO pulse_etl USING ((client_id = ( SELECT core.etl_client_id() AS etl_client_id)));
ALTER TABLE core.issue_changes ENABLE ROW LEVEL SECURITY;
CREATE POLICY owner ON core.issue_changes TO pulse_owner USING ((SESSION_USER = 'pulse_owner'::name));
CREATE POLICY reader ON core.issue_changes FOR SELECT TO pulse_reader USING ((client_id = ( SELECT core.reader_client_id() AS reader_client_id)));
CREATE POLICY staff ON core.issue_changes FOR SELECT TO pulse_staff USING (true);
GRANT SELECT,INSERT,DELETE,MAINTAIN,UPDATE ON TABLE core.issue_changes TO pulse_etl;
GRANT SELECT ON TABLE core.issue_changes TO pulse_staff;
GRANT SELECT ON TABLE core.issue_changes TO pulse_reader;

-- core.issue_links ----------------------------------------------------------------------------------------------------
CREATE TABLE core.issue_links (
    client_id integer NOT NULL,
    integration_id bigint NOT NULL,
    issue_id bigint NOT NULL,
    id bigint NOT NULL,
    link_type text NOT NULL,
    direction text NOT NULL,
    other_key text NOT NULL,
    CONSTRAINT issue_links_direction_check CHECK ((direction = ANY (ARRAY['outward'::text, 'inward'::text])))
);
ALTER TABLE ONLY core.issue_links FORCE ROW LEVEL SECURITY;
COMMENT ON TABLE core.issue_links IS 'One row per link from an issue to another.';
ALTER TABLE ONLY core.issue_links ADD CONSTRAINT issue_links_pkey PRIMARY KEY (client_id, integration_id, issue_id, id);
CREATE TRIGGER dora_delete AFTER DELETE ON core.issue_links REFERENCING OLD TABLE AS old_rows FOR EACH STATEMENT EXECUTE FUNCTION core.enqueue_dora('issue', 'issue_id');
CREATE TRIGGER dora_insert AFTER INSERT ON core.issue_links REFERENCING NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION core.enqueue_dora('issue', 'issue_id');
CREATE TRIGGER dora_update AFTER UPDATE ON core.issue_links REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION core.enqueue_dora('issue', 'issue_id');
ALTER TABLE ONLY core.issue_links ADD CONSTRAINT issue_links_client_id_integration_id_issue_id_fkey FOREIGN KEY (client_id, integration_id, issue_id) REFERENCES core.issues(client_id, integration_id, id) ON DELETE CASCADE;
CREATE POLICY etl ON core.issue_links TO pulse_etl USING ((client_id = ( SELECT core.etl_client_id() AS etl_client_id)));
ALTER TABLE core.issue_links ENABLE ROW LEVEL SECURITY;
CREATE POLICY owner ON core.issue_links TO pulse_owner USING ((SESSION_USER = 'pulse_owner'::name));
CREATE POLICY reader ON core.issue_links FOR SELECT TO pulse_reader USING ((client_id = ( SELECT core.reader_client_id() AS reader_client_id)));
CREATE POLICY staff ON core.issue_links FOR SELECT TO pulse_staff USING (true);
GRANT SELECT,INSERT,DELETE,MAINTAIN,UPDATE ON TABLE core.issue_links TO pulse_etl;
GRANT SELECT ON TABLE core.issue_links TO pulse_staff;
GRANT SELECT ON TABLE core.issue_links TO pulse_reader;

-- core.issue_statuses -------------------------------------------------------------------------------------------------
CREATE TABLE core.issue_statuses (
    client_id integer NOT NULL,
    integration_id bigint NOT NULL,
    id text NOT NULL,
    name text NOT NULL,
    category text NOT NULL,
    CONSTRAINT issue_statuses_category_check CHECK ((category = ANY (ARRAY['new'::text, 'indeterminate'::text, 'done'::text, 'undefined'::text])))
);
ALTER TABLE ONLY core.issue_statuses FORCE ROW LEVEL SECURITY;
ALTER TABLE core.issue_statuses ADD CONSTRAINT issue_statuses_id_length CHECK ((octet_length(id) <= 400)) NOT VALID;
ALTER TABLE core.issue_statuses ADD CONSTRAINT issue_statuses_name_length CHECK ((octet_length(name) <= 1000)) NOT VALID;
ALTER TABLE ONLY core.issue_statuses ADD CONSTRAINT issue_statuses_pkey PRIMARY KEY (client_id, integration_id, id);
ALTER TABLE ONLY core.issue_statuses ADD CONSTRAINT issue_statuses_client_id_integration_id_fkey FOREIGN KEY (client_id, integration_id) REFERENCES core.integrations(client_id, id);
CREATE POLICY etl ON core.issue_statuses TO pulse_etl USING ((client_id = ( SELECT core.etl_client_id() AS etl_client_id)));
ALTER TABLE core.issue_statuses ENABLE ROW LEVEL SECURITY;
CREATE POLICY owner ON core.issue_statuses TO pulse_owner USING ((SESSION_USER = 'pulse_owner'::name));
CREATE POLICY reader ON core.issue_statuses FOR SELECT TO pulse_reader USING ((client_id = ( SELECT core.reader_client_id() AS reader_client_id)));
CREATE POLICY staff ON core.issue_statuses FOR SELECT TO pulse_staff USING (true);
GRANT SELECT,INSERT,DELETE,MAINTAIN,UPDATE ON TABLE core.issue_statuses TO pulse_etl;
GRANT SELECT ON TABLE core.issue_statuses TO pulse_staff;
GRANT SELECT ON TABLE core.issue_statuses TO pulse_reader;

-- core.issues ---------------------------------------------------------------------------------------------------------
CREATE TABLE core.issues (
    client_id integer NOT NULL,
    integration_id bigint NOT NULL,
    id bigint DEFAULT nextval('core.record_ids'::regclass) NOT NULL,
    project_id bigint,
    key text,
    url text,
    issue_type text,
    summary text NOT NULL,
    description text DEFAULT ''::text NOT NULL,
    status text,
    status_category text,
    priority text,
    resolution text,
    labels text[] DEFAULT '{}'::text[] NOT NULL,
    components text[] DEFAULT '{}'::text[] NOT NULL,
    fix_versions text[] DEFAULT '{}'::text[] NOT NULL,
    assignee text,
    reporter text,
    parent_key text,
    story_points numeric,
    custom_fields jsonb DEFAULT '{}'::jsonb NOT NULL,
    created_at timestamp with time zone NOT NULL,
    updated_at timestamp with time zone,
    resolution_at timestamp with time zone,
    deleted_at timestamp with time zone,
    repository_id bigint,
    number integer,
    external_id text,
    service_name text,
    service_key text GENERATED ALWAYS AS (lower(service_name)) STORED,
    CONSTRAINT issues_place CHECK ((num_nonnulls(project_id, repository_id, external_id) >= 1))
);
ALTER TABLE ONLY core.issues FORCE ROW LEVEL SECURITY;
COMMENT ON COLUMN core.issues.project_id IS 'The project of the tracker that it is in; NULL elsewhere.';
COMMENT ON COLUMN core.issues.repository_id IS 'The repository of the forge that it is in; NULL elsewhere.';
COMMENT ON COLUMN core.issues.number IS 'Its number in the repository.';
COMMENT ON COLUMN core.issues.external_id IS 'Its id at a source that reports incidents, and has no numbers for ids; NULL elsewhere.';
COMMENT ON COLUMN core.issues.service_name IS 'The service that it names, if its source has a field for that.';
COMMENT ON COLUMN core.issues.service_key IS 'The service in lower case, for look-ups.';
ALTER TABLE core.issues ADD CONSTRAINT issues_created_at_time CHECK (((created_at >= '1969-12-31 00:00:00+00'::timestamp with time zone) AND (created_at <= '2200-01-01 00:00:00+00'::timestamp with time zone))) NOT VALID;
ALTER TABLE ONLY core.issues ADD CONSTRAINT issues_external_id UNIQUE (client_id, integration_id, external_id);
ALTER TABLE core.issues ADD CONSTRAINT issues_external_id_length CHECK ((octet_length(external_id) <= 600)) NOT VALID;
ALTER TABLE core.issues ADD CONSTRAINT issues_key_length CHECK ((octet_length(key) <= 400)) NOT VALID;
ALTER TABLE core.issues ADD CONSTRAINT issues_key_of_project CHECK (((project_id IS NULL) OR (key IS NOT NULL))) NOT VALID;
ALTER TABLE ONLY core.issues ADD CONSTRAINT issues_pkey PRIMARY KEY (client_id, integration_id, id);
ALTER TABLE core.issues ADD CONSTRAINT issues_resolution_at_time CHECK (((resolution_at >= '1969-12-31 00:00:00+00'::timestamp with time zone) AND (resolution_at <= '2200-01-01 00:00:00+00'::timestamp with time zone))) NOT VALID;
ALTER TABLE core.issues ADD CONSTRAINT issues_service_name_length CHECK ((octet_length(service_name) <= 400)) NOT VALID;
ALTER TABLE core.issues ADD CONSTRAINT issues_updated_at_time CHECK (((updated_at >= '1969-12-31 00:00:00+00'::timestamp with time zone) AND (updated_at <= '2200-01-01 00:00:00+00'::timestamp with time zone))) NOT VALID;
ALTER TABLE core.issues ADD CONSTRAINT issues_url_length CHECK ((octet_length(url) <= 2000)) NOT VALID;
CREATE INDEX issues_key ON core.issues USING btree (client_id, integration_id, key);
CREATE INDEX issues_parent ON core.issues USING btree (client_id, integration_id, parent_key) WHERE (parent_key IS NOT NULL);
CREATE INDEX issues_service ON core.issues USING btree (client_id, service_key, service_name) WHERE (service_key IS NOT NULL);
CREATE INDEX issues_updated ON core.issues USING btree (client_id, integration_id, updated_at);
CREATE TRIGGER dora_delete AFTER DELETE ON core.issues REFERENCING OLD TABLE AS old_rows FOR EACH STATEMENT EXECUTE FUNCTION core.enqueue_dora('issue', 'coalesce(''='' || external_id, case when repository_id is null then '''' else ''#'' end || id)');
CREATE TRIGGER dora_insert AFTER INSERT ON core.issues REFERENCING NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION core.enqueue_dora('issue', 'coalesce(''='' || external_id, case when repository_id is null then '''' else ''#'' end || id)');
CREATE TRIGGER dora_update AFTER UPDATE ON core.issues REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION core.enqueue_dora('issue', 'coalesce(''='' || external_id, case when repository_id is null then '''' else ''#'' end || id)');
ALTER TABLE ONLY core.issues ADD CONSTRAINT issues_client_id_integration_id_project_id_fkey FOREIGN KEY (client_id, integration_id, project_id) REFERENCES core.projects(client_id, integration_id, id);
ALTER TABLE ONLY core.issues ADD CONSTRAINT issues_client_id_integration_id_repository_id_fkey FOREIGN KEY (client_id, integration_id, repository_id) REFERENCES core.repositories(client_id, integration_id, id);
CREATE POLICY etl ON core.issues TO pulse_etl USING ((client_id = ( SELECT core.etl_client_id() AS etl_client_id)));
ALTER TABLE core.issues ENABLE ROW LEVEL SECURITY;
CREATE POLICY owner ON core.issues TO pulse_owner USING ((SESSION_USER = 'pulse_owner'::name));
CREATE POLICY reader ON core.issues FOR SELECT TO pulse_reader USING ((client_id = ( SELECT core.reader_client_id() AS reader_client_id)));
CREATE POLICY staff ON core.issues FOR SELECT TO pulse_staff USING (true);
GRANT SELECT,INSERT,DELETE,MAINTAIN,UPDATE ON TABLE core.issues TO pulse_etl;
GRANT SELECT ON TABLE core.issues TO pulse_staff;
GRANT SELECT ON TABLE core.issues TO pulse_reader;

-- core.lead_time_stages -----------------------------------------------------------------------------------------------
CREATE TABLE core.lead_time_stages (
    client_id integer NOT NULL,
    grain text NOT NULL,
    scope_type text NOT NULL,
    scope_id text DEFAULT ''::text NOT NULL,
    period_start date NOT NULL,
    stage text NOT NULL,
    mean_hours double precision NOT NULL,
    sample_size bigint NOT NULL,
    CONSTRAINT lead_time_stages_grain_check CHECK ((grain = ANY (ARRAY['week'::text, 'month'::text]))),
    CONSTRAINT lead_time_stages_stage_check CHECK ((stage = ANY (ARRAY['coding'::text, 'pickup'::text, 'review'::text, 'merge_to_deploy'::text, 'other'::text])))
);
ALTER TABLE ONLY core.lead_time_stages FORCE ROW LEVEL SECURITY;
COMMENT ON TABLE core.lead_time_stages IS 'One row per week or month, scope and stage: the mean hours that its deployed changes spent in the stage, over all of them. The stages of a period add up to its mean lead time; other is time in no stage, as of a change that nobody reviewed.';
ALTER TABLE ONLY core.lead_time_stages ADD CONSTRAINT lead_time_stages_pkey PRIMARY KEY (client_id, grain, scope_type, scope_id, period_start, stage);
ALTER TABLE ONLY core.lead_time_stages ADD CONSTRAINT lead_time_stages_client_id_fkey FOREIGN KEY (client_id) REFERENCES core.clients(id);
CREATE POLICY etl ON core.lead_time_stages TO pulse_etl USING ((client_id = ( SELECT core.etl_client_id() AS etl_client_id)));
ALTER TABLE core.lead_time_stages ENABLE ROW LEVEL SECURITY;
CREATE POLICY owner ON core.lead_time_stages TO pulse_owner USING ((SESSION_USER = 'pulse_owner'::name));
CREATE POLICY reader ON core.lead_time_stages FOR SELECT TO pulse_reader USING ((client_id = ( SELECT core.reader_client_id() AS reader_client_id)));
CREATE POLICY staff ON core.lead_time_stages FOR SELECT TO pulse_staff USING (true);
GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE core.lead_time_stages TO pulse_etl;
GRANT SELECT ON TABLE core.lead_time_stages TO pulse_staff;
GRANT SELECT ON TABLE core.lead_time_stages TO pulse_reader;

-- core.metric_catalogue -----------------------------------------------------------------------------------------------
CREATE TABLE core.metric_catalogue (
    metric_type text NOT NULL,
    metric_label text NOT NULL,
    display_unit text NOT NULL,
    factor double precision NOT NULL,
    better text NOT NULL,
    sort_order integer NOT NULL,
    family text DEFAULT 'deployments'::text NOT NULL,
    unit text DEFAULT 'hours'::text NOT NULL,
    benchmark_metric text,
    has_past_windows boolean DEFAULT false NOT NULL,
    judged text,
    CONSTRAINT metric_catalogue_better_check CHECK ((better = ANY (ARRAY['higher'::text, 'lower'::text]))),
    CONSTRAINT metric_catalogue_judged_check CHECK ((judged = ANY (ARRAY['scopes'::text, 'client'::text])))
);
COMMENT ON TABLE core.metric_catalogue IS 'One row per metric: reference data, the same for every client.';
COMMENT ON COLUMN core.metric_catalogue.benchmark_metric IS 'The metric whose benchmarks give this one its tier; NULL when it has no tier.';
COMMENT ON COLUMN core.metric_catalogue.has_past_windows IS 'Also published for the client''s rolling windows that ended on past Sundays, not only for the latest.';
COMMENT ON COLUMN core.metric_catalogue.judged IS 'Whose weeks are searched for signals: those of all scopes, of the client alone, or none (NULL). A stock is not judged: its weeks depend on one another.';
ALTER TABLE ONLY core.metric_catalogue ADD CONSTRAINT metric_catalogue_pkey PRIMARY KEY (metric_type);
GRANT SELECT,MAINTAIN ON TABLE core.metric_catalogue TO pulse_etl;
GRANT SELECT ON TABLE core.metric_catalogue TO pulse_staff;
GRANT SELECT ON TABLE core.metric_catalogue TO pulse_reader;

-- core.metric_comparisons ---------------------------------------------------------------------------------------------
CREATE TABLE core.metric_comparisons (
    client_id integer NOT NULL,
    metric_type text NOT NULL,
    comparison text NOT NULL,
    before_from date NOT NULL,
    before_until date NOT NULL,
    now_from date NOT NULL,
    now_until date NOT NULL,
    value_before double precision NOT NULL,
    value_now double precision NOT NULL,
    mean_before double precision,
    mean_now double precision,
    cases_before bigint NOT NULL,
    cases_now bigint NOT NULL,
    CONSTRAINT metric_comparisons_comparison_check CHECK ((comparison = ANY (ARRAY['rolling_30d'::text, 'month'::text, 'shift'::text])))
);
ALTER TABLE ONLY core.metric_comparisons FORCE ROW LEVEL SECURITY;
COMMENT ON TABLE core.metric_comparisons IS 'One row per metric of the client and comparison: rolling_30d (today''s 30 days and the 30 before), month (the last complete month and the one before), shift (the weeks since the signal and as many before). Days [from, until). value: as published; of hours the median, and mean beside it. Without a row, one side is partial or has too few cases.';
ALTER TABLE ONLY core.metric_comparisons ADD CONSTRAINT metric_comparisons_pkey PRIMARY KEY (client_id, metric_type, comparison);
ALTER TABLE ONLY core.metric_comparisons ADD CONSTRAINT metric_comparisons_client_id_fkey FOREIGN KEY (client_id) REFERENCES core.clients(id);
CREATE POLICY etl ON core.metric_comparisons TO pulse_etl USING ((client_id = ( SELECT core.etl_client_id() AS etl_client_id)));
ALTER TABLE core.metric_comparisons ENABLE ROW LEVEL SECURITY;
CREATE POLICY owner ON core.metric_comparisons TO pulse_owner USING ((SESSION_USER = 'pulse_owner'::name));
CREATE POLICY reader ON core.metric_comparisons FOR SELECT TO pulse_reader USING ((client_id = ( SELECT core.reader_client_id() AS reader_client_id)));
CREATE POLICY staff ON core.metric_comparisons FOR SELECT TO pulse_staff USING (true);
GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE core.metric_comparisons TO pulse_etl;
GRANT SELECT ON TABLE core.metric_comparisons TO pulse_staff;
GRANT SELECT ON TABLE core.metric_comparisons TO pulse_reader;

-- core.metric_drivers -------------------------------------------------------------------------------------------------
CREATE TABLE core.metric_drivers (
    client_id integer NOT NULL,
    metric_type text NOT NULL,
    comparison text NOT NULL,
    service_id text NOT NULL,
    effect text NOT NULL,
    contribution double precision NOT NULL,
    cases_before bigint NOT NULL,
    cases_now bigint NOT NULL,
    value_before double precision,
    value_now double precision,
    CONSTRAINT metric_drivers_effect_check CHECK ((effect = ANY (ARRAY['count'::text, 'mix'::text, 'rate'::text, 'coding'::text, 'pickup'::text, 'review'::text, 'merge_to_deploy'::text, 'other'::text])))
);
ALTER TABLE ONLY core.metric_drivers FORCE ROW LEVEL SECURITY;
COMMENT ON TABLE core.metric_drivers IS 'One row per part of a comparison. The contributions of a comparison add up to value_now - value_before; of hours, to mean_now - mean_before. service_id is empty for incidents without a service. effect: count (releases a day); mix (the service has another share of the cases); rate (its own value is another); of the lead time, each stage instead of rate, other being time in no stage. cases and value are those of the service (of a stage: its mean hours there).';
ALTER TABLE ONLY core.metric_drivers ADD CONSTRAINT metric_drivers_pkey PRIMARY KEY (client_id, metric_type, comparison, service_id, effect);
ALTER TABLE ONLY core.metric_drivers ADD CONSTRAINT metric_drivers_client_id_fkey FOREIGN KEY (client_id) REFERENCES core.clients(id);
CREATE POLICY etl ON core.metric_drivers TO pulse_etl USING ((client_id = ( SELECT core.etl_client_id() AS etl_client_id)));
ALTER TABLE core.metric_drivers ENABLE ROW LEVEL SECURITY;
CREATE POLICY owner ON core.metric_drivers TO pulse_owner USING ((SESSION_USER = 'pulse_owner'::name));
CREATE POLICY reader ON core.metric_drivers FOR SELECT TO pulse_reader USING ((client_id = ( SELECT core.reader_client_id() AS reader_client_id)));
CREATE POLICY staff ON core.metric_drivers FOR SELECT TO pulse_staff USING (true);
GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE core.metric_drivers TO pulse_etl;
GRANT SELECT ON TABLE core.metric_drivers TO pulse_staff;
GRANT SELECT ON TABLE core.metric_drivers TO pulse_reader;

-- core.metric_replays -------------------------------------------------------------------------------------------------
CREATE TABLE core.metric_replays (
    client_id integer NOT NULL,
    metric_type text NOT NULL,
    comparison text NOT NULL,
    kind text NOT NULL,
    part text NOT NULL,
    replayed double precision,
    contribution double precision NOT NULL,
    CONSTRAINT metric_replays_kind_check CHECK ((kind = ANY (ARRAY['service'::text, 'stage'::text])))
);
ALTER TABLE ONLY core.metric_replays FORCE ROW LEVEL SECURITY;
COMMENT ON TABLE core.metric_replays IS 'One row per part of a change in a median. replayed: what the median would be now, had this part stayed as it was (a service: with its cases of before; a stage: as long as before, rank for rank). contribution: the median now minus that; part residual: the rest, so that the contributions of a kind add up to value_now - value_before.';
ALTER TABLE ONLY core.metric_replays ADD CONSTRAINT metric_replays_pkey PRIMARY KEY (client_id, metric_type, comparison, kind, part);
ALTER TABLE ONLY core.metric_replays ADD CONSTRAINT metric_replays_client_id_fkey FOREIGN KEY (client_id) REFERENCES core.clients(id);
CREATE POLICY etl ON core.metric_replays TO pulse_etl USING ((client_id = ( SELECT core.etl_client_id() AS etl_client_id)));
ALTER TABLE core.metric_replays ENABLE ROW LEVEL SECURITY;
CREATE POLICY owner ON core.metric_replays TO pulse_owner USING ((SESSION_USER = 'pulse_owner'::name));
CREATE POLICY reader ON core.metric_replays FOR SELECT TO pulse_reader USING ((client_id = ( SELECT core.reader_client_id() AS reader_client_id)));
CREATE POLICY staff ON core.metric_replays FOR SELECT TO pulse_staff USING (true);
GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE core.metric_replays TO pulse_etl;
GRANT SELECT ON TABLE core.metric_replays TO pulse_staff;
GRANT SELECT ON TABLE core.metric_replays TO pulse_reader;

-- core.metric_signals -------------------------------------------------------------------------------------------------
CREATE TABLE core.metric_signals (
    client_id integer NOT NULL,
    metric_type text NOT NULL,
    scope_type text NOT NULL,
    scope_id text DEFAULT ''::text NOT NULL,
    level_from date NOT NULL,
    level_until date,
    is_current boolean NOT NULL,
    centre double precision,
    lower double precision,
    upper double precision,
    usual_lower double precision,
    usual_upper double precision,
    shift text,
    rule text,
    confirmed_on date,
    verdict text,
    history_weeks integer NOT NULL,
    needed_weeks integer NOT NULL,
    unit text NOT NULL,
    CONSTRAINT metric_signals_scope_type_check CHECK ((scope_type = ANY (ARRAY['client'::text, 'service'::text, 'team'::text, 'repository'::text]))),
    CONSTRAINT metric_signals_shift_check CHECK ((shift = ANY (ARRAY['better'::text, 'worse'::text]))),
    CONSTRAINT metric_signals_verdict_check CHECK ((verdict = ANY (ARRAY['better'::text, 'worse'::text, 'usual'::text, 'not_enough_history'::text])))
);
ALTER TABLE ONLY core.metric_signals FORCE ROW LEVEL SECURITY;
COMMENT ON TABLE core.metric_signals IS 'One row per level of a metric and scope: the weeks [level_from, level_until) in which it varied by chance alone. centre, lower, upper: the limits of these weeks; usual_lower, usual_upper: the range that the verdict speaks of; shift, rule, confirmed_on: the signal that began the level; verdict: of the current level only.';
ALTER TABLE ONLY core.metric_signals ADD CONSTRAINT metric_signals_pkey PRIMARY KEY (client_id, metric_type, scope_type, scope_id, level_from);
ALTER TABLE ONLY core.metric_signals ADD CONSTRAINT metric_signals_client_id_fkey FOREIGN KEY (client_id) REFERENCES core.clients(id);
CREATE POLICY etl ON core.metric_signals TO pulse_etl USING ((client_id = ( SELECT core.etl_client_id() AS etl_client_id)));
ALTER TABLE core.metric_signals ENABLE ROW LEVEL SECURITY;
CREATE POLICY owner ON core.metric_signals TO pulse_owner USING ((SESSION_USER = 'pulse_owner'::name));
CREATE POLICY reader ON core.metric_signals FOR SELECT TO pulse_reader USING ((client_id = ( SELECT core.reader_client_id() AS reader_client_id)));
CREATE POLICY staff ON core.metric_signals FOR SELECT TO pulse_staff USING (true);
GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE core.metric_signals TO pulse_etl;
GRANT SELECT ON TABLE core.metric_signals TO pulse_staff;
GRANT SELECT ON TABLE core.metric_signals TO pulse_reader;

-- core.open_pull_requests ---------------------------------------------------------------------------------------------
CREATE TABLE core.open_pull_requests (
    client_id integer NOT NULL,
    integration_id bigint NOT NULL,
    pull_request_id bigint NOT NULL,
    repository text NOT NULL,
    number integer,
    title text NOT NULL,
    url text,
    opened_on date NOT NULL,
    age_hours double precision NOT NULL,
    size_lines bigint NOT NULL,
    stage text NOT NULL,
    CONSTRAINT open_pull_requests_stage_check CHECK ((stage = ANY (ARRAY['draft'::text, 'waiting'::text, 'in_review'::text, 'approved'::text])))
);
ALTER TABLE ONLY core.open_pull_requests FORCE ROW LEVEL SECURITY;
COMMENT ON TABLE core.open_pull_requests IS 'One row per open pull request that is not automation''s: hours from its opening to the beginning of today, and how far it is.';
ALTER TABLE ONLY core.open_pull_requests ADD CONSTRAINT open_pull_requests_pkey PRIMARY KEY (client_id, integration_id, pull_request_id);
CREATE POLICY etl ON core.open_pull_requests TO pulse_etl USING ((client_id = ( SELECT core.etl_client_id() AS etl_client_id)));
ALTER TABLE core.open_pull_requests ENABLE ROW LEVEL SECURITY;
CREATE POLICY owner ON core.open_pull_requests TO pulse_owner USING ((SESSION_USER = 'pulse_owner'::name));
CREATE POLICY reader ON core.open_pull_requests FOR SELECT TO pulse_reader USING ((client_id = ( SELECT core.reader_client_id() AS reader_client_id)));
CREATE POLICY staff ON core.open_pull_requests FOR SELECT TO pulse_staff USING (true);
GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE core.open_pull_requests TO pulse_etl;
GRANT SELECT ON TABLE core.open_pull_requests TO pulse_staff;
GRANT SELECT ON TABLE core.open_pull_requests TO pulse_reader;

-- core.password_links -------------------------------------------------------------------------------------------------
CREATE TABLE core.password_links (
    client_id integer NOT NULL,
    email text NOT NULL,
    full_name text DEFAULT ''::text NOT NULL,
    kind text NOT NULL,
    asked_by text NOT NULL,
    asked_at timestamp with time zone DEFAULT now() NOT NULL,
    asks integer DEFAULT 1 NOT NULL,
    send_at timestamp with time zone,
    sent_at timestamp with time zone,
    token_hash text,
    expires_at timestamp with time zone,
    problem text DEFAULT ''::text NOT NULL,
    CONSTRAINT password_links_email_check CHECK ((email = lower(email))),
    CONSTRAINT password_links_kind_check CHECK ((kind = ANY (ARRAY['declared'::text, 'invited'::text, 'reset'::text])))
);
ALTER TABLE ONLY core.password_links FORCE ROW LEVEL SECURITY;
COMMENT ON TABLE core.password_links IS 'One row per person with an open link. kind: an invitation of the Variable, one of the page People, or a forgotten password.';
COMMENT ON COLUMN core.password_links.send_at IS 'When a mail is to go out; empty when none is. The link before it counts until then.';
COMMENT ON COLUMN core.password_links.token_hash IS 'SHA-256 of the token in the link, in hex. The token is stored nowhere.';
ALTER TABLE ONLY core.password_links ADD CONSTRAINT password_links_pkey PRIMARY KEY (client_id, email);
CREATE INDEX password_links_token ON core.password_links USING btree (token_hash);
CREATE TRIGGER audit AFTER INSERT OR UPDATE ON core.password_links FOR EACH ROW EXECUTE FUNCTION audit.links();
ALTER TABLE ONLY core.password_links ADD CONSTRAINT password_links_client_id_fkey FOREIGN KEY (client_id) REFERENCES core.clients(id);
CREATE POLICY admin ON core.password_links TO pulse_admin USING (true);
CREATE POLICY links ON core.password_links TO pulse_owner USING ((SESSION_USER = 'pulse_auth'::name));
CREATE POLICY owner ON core.password_links TO pulse_owner USING ((SESSION_USER = 'pulse_owner'::name));
ALTER TABLE core.password_links ENABLE ROW LEVEL SECURITY;
GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE core.password_links TO pulse_admin;

-- core.password_requests ----------------------------------------------------------------------------------------------
CREATE TABLE core.password_requests (
    id bigint NOT NULL,
    email text NOT NULL,
    asked_at timestamp with time zone DEFAULT now() NOT NULL
);
ALTER TABLE ONLY core.password_requests FORCE ROW LEVEL SECURITY;
ALTER TABLE core.password_requests ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME core.password_requests_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);
ALTER TABLE ONLY core.password_requests ADD CONSTRAINT password_requests_pkey PRIMARY KEY (id);
CREATE POLICY admin ON core.password_requests TO pulse_admin USING (true);
CREATE POLICY owner ON core.password_requests TO pulse_owner USING ((SESSION_USER = ANY (ARRAY['pulse_owner'::name, 'pulse_auth'::name])));
ALTER TABLE core.password_requests ENABLE ROW LEVEL SECURITY;
GRANT SELECT,DELETE ON TABLE core.password_requests TO pulse_admin;

-- core.projects -------------------------------------------------------------------------------------------------------
CREATE TABLE core.projects (
    client_id integer NOT NULL,
    integration_id bigint NOT NULL,
    id bigint NOT NULL,
    key text NOT NULL,
    name text NOT NULL,
    url text NOT NULL,
    deleted_at timestamp with time zone
);
ALTER TABLE ONLY core.projects FORCE ROW LEVEL SECURITY;
ALTER TABLE core.projects ADD CONSTRAINT projects_key_length CHECK ((octet_length(key) <= 400)) NOT VALID;
ALTER TABLE ONLY core.projects ADD CONSTRAINT projects_pkey PRIMARY KEY (client_id, integration_id, id);
ALTER TABLE ONLY core.projects ADD CONSTRAINT projects_client_id_integration_id_fkey FOREIGN KEY (client_id, integration_id) REFERENCES core.integrations(client_id, id);
CREATE POLICY etl ON core.projects TO pulse_etl USING ((client_id = ( SELECT core.etl_client_id() AS etl_client_id)));
CREATE POLICY owner ON core.projects TO pulse_owner USING ((SESSION_USER = 'pulse_owner'::name));
ALTER TABLE core.projects ENABLE ROW LEVEL SECURITY;
CREATE POLICY reader ON core.projects FOR SELECT TO pulse_reader USING ((client_id = ( SELECT core.reader_client_id() AS reader_client_id)));
CREATE POLICY staff ON core.projects FOR SELECT TO pulse_staff USING (true);
GRANT SELECT,INSERT,DELETE,MAINTAIN,UPDATE ON TABLE core.projects TO pulse_etl;
GRANT SELECT ON TABLE core.projects TO pulse_staff;
GRANT SELECT ON TABLE core.projects TO pulse_reader;

-- core.pull_request_commits -------------------------------------------------------------------------------------------
CREATE TABLE core.pull_request_commits (
    client_id integer NOT NULL,
    integration_id bigint NOT NULL,
    pull_request_id bigint NOT NULL,
    sha text NOT NULL,
    "position" integer NOT NULL,
    authored_at timestamp with time zone,
    committed_at timestamp with time zone,
    author_login text,
    headline text DEFAULT ''::text NOT NULL
);
ALTER TABLE ONLY core.pull_request_commits FORCE ROW LEVEL SECURITY;
ALTER TABLE core.pull_request_commits ADD CONSTRAINT pull_request_commits_authored_at_time CHECK (((authored_at >= '1969-12-31 00:00:00+00'::timestamp with time zone) AND (authored_at <= '2200-01-01 00:00:00+00'::timestamp with time zone))) NOT VALID;
ALTER TABLE core.pull_request_commits ADD CONSTRAINT pull_request_commits_committed_at_time CHECK (((committed_at >= '1969-12-31 00:00:00+00'::timestamp with time zone) AND (committed_at <= '2200-01-01 00:00:00+00'::timestamp with time zone))) NOT VALID;
ALTER TABLE ONLY core.pull_request_commits ADD CONSTRAINT pull_request_commits_pkey PRIMARY KEY (client_id, integration_id, pull_request_id, sha);
ALTER TABLE core.pull_request_commits ADD CONSTRAINT pull_request_commits_sha_length CHECK ((octet_length(sha) <= 200)) NOT VALID;
CREATE INDEX pull_request_commits_sha ON core.pull_request_commits USING btree (client_id, integration_id, sha);
CREATE TRIGGER dora_delete AFTER DELETE ON core.pull_request_commits REFERENCING OLD TABLE AS old_rows FOR EACH STATEMENT EXECUTE FUNCTION core.enqueue_dora('pull_request_commits', 'pull_request_id');
CREATE TRIGGER dora_insert AFTER INSERT ON core.pull_request_commits REFERENCING NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION core.enqueue_dora('pull_request_commits', 'pull_request_id');
CREATE TRIGGER dora_update AFTER UPDATE ON core.pull_request_commits REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION core.enqueue_dora('pull_request_commits', 'pull_request_id');
ALTER TABLE ONLY core.pull_request_commits ADD CONSTRAINT pull_request_commits_client_id_integration_id_pull__fkey FOREIGN KEY (client_id, integration_id, pull_request_id) REFERENCES core.pull_requests(client_id, integration_id, id) ON DELETE CASCADE;
CREATE POLICY etl ON core.pull_request_commits TO pulse_etl USING ((client_id = ( SELECT core.etl_client_id() AS etl_client_id)));
CREATE POLICY owner ON core.pull_request_commits TO pulse_owner USING ((SESSION_USER = 'pulse_owner'::name));
ALTER TABLE core.pull_request_commits ENABLE ROW LEVEL SECURITY;
CREATE POLICY reader ON core.pull_request_commits FOR SELECT TO pulse_reader USING ((client_id = ( SELECT core.reader_client_id() AS reader_client_id)));
CREATE POLICY staff ON core.pull_request_commits FOR SELECT TO pulse_staff USING (true);
GRANT SELECT,INSERT,DELETE,MAINTAIN,UPDATE ON TABLE core.pull_request_commits TO pulse_etl;
GRANT SELECT ON TABLE core.pull_request_commits TO pulse_staff;
GRANT SELECT ON TABLE core.pull_request_commits TO pulse_reader;

-- core.pull_request_events --------------------------------------------------------------------------------------------
CREATE TABLE core.pull_request_events (
    client_id integer NOT NULL,
    integration_id bigint NOT NULL,
    pull_request_id bigint NOT NULL,
    id text NOT NULL,
    event_type text NOT NULL,
    actor_login text,
    created_at timestamp with time zone NOT NULL
);
ALTER TABLE ONLY core.pull_request_events FORCE ROW LEVEL SECURITY;
ALTER TABLE core.pull_request_events ADD CONSTRAINT pull_request_events_created_at_time CHECK (((created_at >= '1969-12-31 00:00:00+00'::timestamp with time zone) AND (created_at <= '2200-01-01 00:00:00+00'::timestamp with time zone))) NOT VALID;
ALTER TABLE ONLY core.pull_request_events ADD CONSTRAINT pull_request_events_pkey PRIMARY KEY (client_id, integration_id, pull_request_id, id);
CREATE TRIGGER dora_delete AFTER DELETE ON core.pull_request_events REFERENCING OLD TABLE AS old_rows FOR EACH STATEMENT EXECUTE FUNCTION core.enqueue_dora('pull_request', 'pull_request_id');
CREATE TRIGGER dora_insert AFTER INSERT ON core.pull_request_events REFERENCING NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION core.enqueue_dora('pull_request', 'pull_request_id');
CREATE TRIGGER dora_update AFTER UPDATE ON core.pull_request_events REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION core.enqueue_dora('pull_request', 'pull_request_id');
ALTER TABLE ONLY core.pull_request_events ADD CONSTRAINT pull_request_events_client_id_integration_id_pull_r_fkey FOREIGN KEY (client_id, integration_id, pull_request_id) REFERENCES core.pull_requests(client_id, integration_id, id) ON DELETE CASCADE;
CREATE POLICY etl ON core.pull_request_events TO pulse_etl USING ((client_id = ( SELECT core.etl_client_id() AS etl_client_id)));
CREATE POLICY owner ON core.pull_request_events TO pulse_owner USING ((SESSION_USER = 'pulse_owner'::name));
ALTER TABLE core.pull_request_events ENABLE ROW LEVEL SECURITY;
CREATE POLICY reader ON core.pull_request_events FOR SELECT TO pulse_reader USING ((client_id = ( SELECT core.reader_client_id() AS reader_client_id)));
CREATE POLICY staff ON core.pull_request_events FOR SELECT TO pulse_staff USING (true);
GRANT SELECT,INSERT,DELETE,MAINTAIN,UPDATE ON TABLE core.pull_request_events TO pulse_etl;
GRANT SELECT ON TABLE core.pull_request_events TO pulse_staff;
GRANT SELECT ON TABLE core.pull_request_events TO pulse_reader;

-- core.pull_request_files ---------------------------------------------------------------------------------------------
CREATE TABLE core.pull_request_files (
    client_id integer NOT NULL,
    integration_id bigint NOT NULL,
    pull_request_id bigint NOT NULL,
    path text NOT NULL,
    additions integer DEFAULT 0 NOT NULL,
    deletions integer DEFAULT 0 NOT NULL
);
ALTER TABLE ONLY core.pull_request_files FORCE ROW LEVEL SECURITY;
COMMENT ON TABLE core.pull_request_files IS 'One row per file that a pull request changes. Only filled for clients that map services to paths of a monorepo.';
ALTER TABLE ONLY core.pull_request_files ADD CONSTRAINT pull_request_files_pkey PRIMARY KEY (client_id, integration_id, pull_request_id, path);
CREATE TRIGGER dora_delete AFTER DELETE ON core.pull_request_files REFERENCING OLD TABLE AS old_rows FOR EACH STATEMENT EXECUTE FUNCTION core.enqueue_dora('pull_request', 'pull_request_id');
CREATE TRIGGER dora_insert AFTER INSERT ON core.pull_request_files REFERENCING NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION core.enqueue_dora('pull_request', 'pull_request_id');
CREATE TRIGGER dora_update AFTER UPDATE ON core.pull_request_files REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION core.enqueue_dora('pull_request', 'pull_request_id');
ALTER TABLE ONLY core.pull_request_files ADD CONSTRAINT pull_request_files_client_id_integration_id_pull_re_fkey FOREIGN KEY (client_id, integration_id, pull_request_id) REFERENCES core.pull_requests(client_id, integration_id, id) ON DELETE CASCADE;
CREATE POLICY etl ON core.pull_request_files TO pulse_etl USING ((client_id = ( SELECT core.etl_client_id() AS etl_client_id)));
CREATE POLICY owner ON core.pull_request_files TO pulse_owner USING ((SESSION_USER = 'pulse_owner'::name));
ALTER TABLE core.pull_request_files ENABLE ROW LEVEL SECURITY;
CREATE POLICY reader ON core.pull_request_files FOR SELECT TO pulse_reader USING ((client_id = ( SELECT core.reader_client_id() AS reader_client_id)));
CREATE POLICY staff ON core.pull_request_files FOR SELECT TO pulse_staff USING (true);
GRANT SELECT,INSERT,DELETE,MAINTAIN,UPDATE ON TABLE core.pull_request_files TO pulse_etl;
GRANT SELECT ON TABLE core.pull_request_files TO pulse_staff;
GRANT SELECT ON TABLE core.pull_request_files TO pulse_reader;

-- core.pull_requests --------------------------------------------------------------------------------------------------
CREATE TABLE core.pull_requests (
    client_id integer NOT NULL,
    integration_id bigint NOT NULL,
    id bigint DEFAULT nextval('core.record_ids'::regclass) NOT NULL,
    repository_id bigint,
    number integer,
    title text NOT NULL,
    url text,
    state text DEFAULT 'merged'::text NOT NULL,
    author_login text,
    author_is_bot boolean DEFAULT false NOT NULL,
    is_draft boolean DEFAULT false NOT NULL,
    base_branch text,
    head_branch text,
    created_at timestamp with time zone NOT NULL,
    updated_at timestamp with time zone,
    ready_at timestamp with time zone,
    first_authored_at timestamp with time zone,
    first_committed_at timestamp with time zone,
    first_review_at timestamp with time zone,
    approved_at timestamp with time zone,
    merged_at timestamp with time zone,
    closed_at timestamp with time zone,
    merge_commit_sha text,
    additions integer DEFAULT 0 NOT NULL,
    deletions integer DEFAULT 0 NOT NULL,
    changed_files integer DEFAULT 0 NOT NULL,
    commit_count integer DEFAULT 0 NOT NULL,
    review_count integer DEFAULT 0 NOT NULL,
    comment_count integer DEFAULT 0 NOT NULL,
    labels text[] DEFAULT '{}'::text[] NOT NULL,
    reverts_number integer,
    closing_issue_numbers integer[] DEFAULT '{}'::integer[] NOT NULL,
    deleted_at timestamp with time zone,
    reverts_sha text,
    external_id text,
    service_name text,
    service_key text GENERATED ALWAYS AS (lower(service_name)) STORED,
    reverts_repository text,
    commenters text[] DEFAULT '{}'::text[] NOT NULL,
    commented_at timestamp with time zone[] DEFAULT '{}'::timestamp with time zone[] NOT NULL,
    assisted_by text[] DEFAULT '{}'::text[] NOT NULL,
    CONSTRAINT pull_requests_place CHECK ((num_nonnulls(repository_id, external_id) >= 1)),
    CONSTRAINT pull_requests_state_check CHECK ((state = ANY (ARRAY['open'::text, 'closed'::text, 'merged'::text])))
);
ALTER TABLE ONLY core.pull_requests FORCE ROW LEVEL SECURITY;
COMMENT ON COLUMN core.pull_requests.reverts_sha IS 'The commit that it reverts, as its text says (git revert); NULL when there is none.';
COMMENT ON COLUMN core.pull_requests.external_id IS 'Its id at a source without repositories; NULL elsewhere.';
COMMENT ON COLUMN core.pull_requests.service_name IS 'The service that it names, where it has no repository.';
COMMENT ON COLUMN core.pull_requests.service_key IS 'The service in lower case, for look-ups.';
COMMENT ON COLUMN core.pull_requests.reverts_repository IS 'The repository (owner/name, in lower case) whose pull request reverts_number is of, where the text names one.';
COMMENT ON COLUMN core.pull_requests.commenters IS 'Who wrote its first comments, up to the first by a person; without the author and whom the forge calls a bot.';
COMMENT ON COLUMN core.pull_requests.commented_at IS 'When, in the same order.';
COMMENT ON COLUMN core.pull_requests.assisted_by IS 'The AI assistants of which its text or one of its commits bears a sign, sorted. Empty: no sign, which proves nothing.';
ALTER TABLE core.pull_requests ADD CONSTRAINT pull_requests_approved_at_time CHECK (((approved_at >= '1969-12-31 00:00:00+00'::timestamp with time zone) AND (approved_at <= '2200-01-01 00:00:00+00'::timestamp with time zone))) NOT VALID;
ALTER TABLE core.pull_requests ADD CONSTRAINT pull_requests_closed_at_time CHECK (((closed_at >= '1969-12-31 00:00:00+00'::timestamp with time zone) AND (closed_at <= '2200-01-01 00:00:00+00'::timestamp with time zone))) NOT VALID;
ALTER TABLE core.pull_requests ADD CONSTRAINT pull_requests_created_at_time CHECK (((created_at >= '1969-12-31 00:00:00+00'::timestamp with time zone) AND (created_at <= '2200-01-01 00:00:00+00'::timestamp with time zone))) NOT VALID;
ALTER TABLE ONLY core.pull_requests ADD CONSTRAINT pull_requests_external_id UNIQUE (client_id, integration_id, external_id);
ALTER TABLE core.pull_requests ADD CONSTRAINT pull_requests_external_id_length CHECK ((octet_length(external_id) <= 600)) NOT VALID;
ALTER TABLE core.pull_requests ADD CONSTRAINT pull_requests_first_authored_at_time CHECK (((first_authored_at >= '1969-12-31 00:00:00+00'::timestamp with time zone) AND (first_authored_at <= '2200-01-01 00:00:00+00'::timestamp with time zone))) NOT VALID;
ALTER TABLE core.pull_requests ADD CONSTRAINT pull_requests_first_committed_at_time CHECK (((first_committed_at >= '1969-12-31 00:00:00+00'::timestamp with time zone) AND (first_committed_at <= '2200-01-01 00:00:00+00'::timestamp with time zone))) NOT VALID;
ALTER TABLE core.pull_requests ADD CONSTRAINT pull_requests_first_review_at_time CHECK (((first_review_at >= '1969-12-31 00:00:00+00'::timestamp with time zone) AND (first_review_at <= '2200-01-01 00:00:00+00'::timestamp with time zone))) NOT VALID;
ALTER TABLE core.pull_requests ADD CONSTRAINT pull_requests_merge_commit_sha_length CHECK ((octet_length(merge_commit_sha) <= 200)) NOT VALID;
ALTER TABLE core.pull_requests ADD CONSTRAINT pull_requests_merged_at_time CHECK (((merged_at >= '1969-12-31 00:00:00+00'::timestamp with time zone) AND (merged_at <= '2200-01-01 00:00:00+00'::timestamp with time zone))) NOT VALID;
ALTER TABLE ONLY core.pull_requests ADD CONSTRAINT pull_requests_pkey PRIMARY KEY (client_id, integration_id, id);
ALTER TABLE core.pull_requests ADD CONSTRAINT pull_requests_ready_at_time CHECK (((ready_at >= '1969-12-31 00:00:00+00'::timestamp with time zone) AND (ready_at <= '2200-01-01 00:00:00+00'::timestamp with time zone))) NOT VALID;
ALTER TABLE core.pull_requests ADD CONSTRAINT pull_requests_service_name_length CHECK ((octet_length(service_name) <= 400)) NOT VALID;
ALTER TABLE core.pull_requests ADD CONSTRAINT pull_requests_updated_at_time CHECK (((updated_at >= '1969-12-31 00:00:00+00'::timestamp with time zone) AND (updated_at <= '2200-01-01 00:00:00+00'::timestamp with time zone))) NOT VALID;
ALTER TABLE core.pull_requests ADD CONSTRAINT pull_requests_url_length CHECK ((octet_length(url) <= 2000)) NOT VALID;
CREATE INDEX pull_requests_merge ON core.pull_requests USING btree (client_id, integration_id, merge_commit_sha, repository_id);
CREATE INDEX pull_requests_number ON core.pull_requests USING btree (client_id, integration_id, number, repository_id);
CREATE INDEX pull_requests_open ON core.pull_requests USING btree (client_id, integration_id, id) WHERE ((state = 'open'::text) AND (deleted_at IS NULL));
CREATE INDEX pull_requests_reverts ON core.pull_requests USING btree (client_id, integration_id, reverts_number, repository_id) WHERE (reverts_number IS NOT NULL);
CREATE INDEX pull_requests_reverts_elsewhere ON core.pull_requests USING btree (client_id, integration_id) WHERE (reverts_repository IS NOT NULL);
CREATE INDEX pull_requests_reverts_sha ON core.pull_requests USING btree (client_id, integration_id, reverts_sha, repository_id) WHERE (reverts_sha IS NOT NULL);
CREATE INDEX pull_requests_service ON core.pull_requests USING btree (client_id, service_key, service_name) WHERE (service_key IS NOT NULL);
CREATE INDEX pull_requests_updated ON core.pull_requests USING btree (client_id, integration_id, updated_at);
CREATE INDEX pull_requests_without_repository ON core.pull_requests USING btree (client_id, merge_commit_sha) WHERE (repository_id IS NULL);
CREATE TRIGGER dora_delete AFTER DELETE ON core.pull_requests REFERENCING OLD TABLE AS old_rows FOR EACH STATEMENT EXECUTE FUNCTION core.enqueue_dora('pull_request', 'coalesce(''='' || external_id, id::text)');
CREATE TRIGGER dora_insert AFTER INSERT ON core.pull_requests REFERENCING NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION core.enqueue_dora('pull_request', 'coalesce(''='' || external_id, id::text)');
CREATE TRIGGER dora_update AFTER UPDATE ON core.pull_requests REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION core.enqueue_dora('pull_request', 'coalesce(''='' || external_id, id::text)');
ALTER TABLE ONLY core.pull_requests ADD CONSTRAINT pull_requests_client_id_integration_id_repository_i_fkey FOREIGN KEY (client_id, integration_id, repository_id) REFERENCES core.repositories(client_id, integration_id, id);
CREATE POLICY etl ON core.pull_requests TO pulse_etl USING ((client_id = ( SELECT core.etl_client_id() AS etl_client_id)));
CREATE POLICY owner ON core.pull_requests TO pulse_owner USING ((SESSION_USER = 'pulse_owner'::name));
ALTER TABLE core.pull_requests ENABLE ROW LEVEL SECURITY;
CREATE POLICY reader ON core.pull_requests FOR SELECT TO pulse_reader USING ((client_id = ( SELECT core.reader_client_id() AS reader_client_id)));
CREATE POLICY staff ON core.pull_requests FOR SELECT TO pulse_staff USING (true);
GRANT SELECT,INSERT,DELETE,MAINTAIN,UPDATE ON TABLE core.pull_requests TO pulse_etl;
GRANT SELECT ON TABLE core.pull_requests TO pulse_staff;
GRANT SELECT ON TABLE core.pull_requests TO pulse_reader;

-- core.quality_results ------------------------------------------------------------------------------------------------
CREATE TABLE core.quality_results (
    client_id integer NOT NULL,
    check_name text NOT NULL,
    detail text DEFAULT ''::text NOT NULL,
    severity text NOT NULL,
    status text NOT NULL,
    value double precision,
    threshold double precision,
    numerator bigint,
    denominator bigint,
    message text DEFAULT ''::text NOT NULL,
    examples jsonb DEFAULT '[]'::jsonb NOT NULL,
    measured_at timestamp with time zone DEFAULT now() NOT NULL,
    CONSTRAINT quality_results_severity_check CHECK ((severity = ANY (ARRAY['block'::text, 'warn'::text, 'info'::text]))),
    CONSTRAINT quality_results_status_check CHECK ((status = ANY (ARRAY['pass'::text, 'fail'::text, 'no_data'::text])))
);
ALTER TABLE ONLY core.quality_results FORCE ROW LEVEL SECURITY;
COMMENT ON TABLE core.quality_results IS 'One row per quality check and detail: what it measured, whether it passed, examples of what it found. A failed check of severity block keeps the stage from publishing.';
ALTER TABLE ONLY core.quality_results ADD CONSTRAINT quality_results_pkey PRIMARY KEY (client_id, check_name, detail);
ALTER TABLE ONLY core.quality_results ADD CONSTRAINT quality_results_client_id_fkey FOREIGN KEY (client_id) REFERENCES core.clients(id);
CREATE POLICY etl ON core.quality_results TO pulse_etl USING ((client_id = ( SELECT core.etl_client_id() AS etl_client_id)));
CREATE POLICY owner ON core.quality_results TO pulse_owner USING ((SESSION_USER = 'pulse_owner'::name));
ALTER TABLE core.quality_results ENABLE ROW LEVEL SECURITY;
CREATE POLICY reader ON core.quality_results FOR SELECT TO pulse_reader USING ((client_id = ( SELECT core.reader_client_id() AS reader_client_id)));
CREATE POLICY staff ON core.quality_results FOR SELECT TO pulse_staff USING (true);
GRANT SELECT,INSERT,DELETE,MAINTAIN,UPDATE ON TABLE core.quality_results TO pulse_etl;
GRANT SELECT ON TABLE core.quality_results TO pulse_staff;
GRANT SELECT ON TABLE core.quality_results TO pulse_reader;

-- core.reported_deployments -------------------------------------------------------------------------------------------
CREATE TABLE core.reported_deployments (
    client_id integer NOT NULL,
    integration_id bigint NOT NULL,
    id text NOT NULL,
    service text NOT NULL,
    environment text NOT NULL,
    result text NOT NULL,
    sha text,
    ref_name text,
    url text,
    created_at timestamp with time zone NOT NULL,
    finished_at timestamp with time zone NOT NULL,
    deleted_at timestamp with time zone,
    service_key text GENERATED ALWAYS AS (lower(service)) STORED NOT NULL,
    record bigint GENERATED ALWAYS AS (hashtextextended(id, (0)::bigint)) STORED NOT NULL,
    CONSTRAINT reported_deployments_result_check CHECK ((result = ANY (ARRAY['success'::text, 'failure'::text])))
);
ALTER TABLE ONLY core.reported_deployments FORCE ROW LEVEL SECURITY;
COMMENT ON TABLE core.reported_deployments IS 'One row per ended deployment of a source that reports them with the service.';
COMMENT ON COLUMN core.reported_deployments.service_key IS 'The service in lower case, for look-ups.';
COMMENT ON COLUMN core.reported_deployments.record IS 'A number for the id, by which core.deployment_records is looked up.';
ALTER TABLE core.reported_deployments ADD CONSTRAINT reported_deployments_created_at_time CHECK (((created_at >= '1969-12-31 00:00:00+00'::timestamp with time zone) AND (created_at <= '2200-01-01 00:00:00+00'::timestamp with time zone))) NOT VALID;
ALTER TABLE core.reported_deployments ADD CONSTRAINT reported_deployments_environment_length CHECK ((octet_length(environment) <= 1000)) NOT VALID;
ALTER TABLE core.reported_deployments ADD CONSTRAINT reported_deployments_finished_at_time CHECK (((finished_at >= '1969-12-31 00:00:00+00'::timestamp with time zone) AND (finished_at <= '2200-01-01 00:00:00+00'::timestamp with time zone))) NOT VALID;
ALTER TABLE core.reported_deployments ADD CONSTRAINT reported_deployments_id_length CHECK ((octet_length(id) <= 600)) NOT VALID;
ALTER TABLE ONLY core.reported_deployments ADD CONSTRAINT reported_deployments_pkey PRIMARY KEY (client_id, integration_id, id);
ALTER TABLE core.reported_deployments ADD CONSTRAINT reported_deployments_ref_name_length CHECK ((octet_length(ref_name) <= 1000)) NOT VALID;
ALTER TABLE core.reported_deployments ADD CONSTRAINT reported_deployments_service_length CHECK ((octet_length(service) <= 400)) NOT VALID;
ALTER TABLE core.reported_deployments ADD CONSTRAINT reported_deployments_sha_length CHECK ((octet_length(sha) <= 200)) NOT VALID;
ALTER TABLE core.reported_deployments ADD CONSTRAINT reported_deployments_url_length CHECK ((octet_length(url) <= 2000)) NOT VALID;
CREATE INDEX reported_deployments_record ON core.reported_deployments USING btree (client_id, integration_id, record);
CREATE INDEX reported_deployments_service ON core.reported_deployments USING btree (client_id, service_key, service) WHERE (deleted_at IS NULL);
CREATE INDEX reported_deployments_sha ON core.reported_deployments USING btree (client_id, sha);
CREATE TRIGGER dora_delete AFTER DELETE ON core.reported_deployments REFERENCING OLD TABLE AS old_rows FOR EACH STATEMENT EXECUTE FUNCTION core.enqueue_dora('reported_deployment', '''='' || id');
CREATE TRIGGER dora_insert AFTER INSERT ON core.reported_deployments REFERENCING NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION core.enqueue_dora('reported_deployment', '''='' || id');
CREATE TRIGGER dora_update AFTER UPDATE ON core.reported_deployments REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION core.enqueue_dora('reported_deployment', '''='' || id');
ALTER TABLE ONLY core.reported_deployments ADD CONSTRAINT reported_deployments_client_id_integration_id_fkey FOREIGN KEY (client_id, integration_id) REFERENCES core.integrations(client_id, id);
CREATE POLICY etl ON core.reported_deployments TO pulse_etl USING ((client_id = ( SELECT core.etl_client_id() AS etl_client_id)));
CREATE POLICY owner ON core.reported_deployments TO pulse_owner USING ((SESSION_USER = 'pulse_owner'::name));
CREATE POLICY reader ON core.reported_deployments FOR SELECT TO pulse_reader USING ((client_id = ( SELECT core.reader_client_id() AS reader_client_id)));
ALTER TABLE core.reported_deployments ENABLE ROW LEVEL SECURITY;
CREATE POLICY staff ON core.reported_deployments FOR SELECT TO pulse_staff USING (true);
GRANT SELECT,INSERT,DELETE,MAINTAIN,UPDATE ON TABLE core.reported_deployments TO pulse_etl;
GRANT SELECT ON TABLE core.reported_deployments TO pulse_staff;
GRANT SELECT ON TABLE core.reported_deployments TO pulse_reader;

-- core.reports_sent ---------------------------------------------------------------------------------------------------
CREATE TABLE core.reports_sent (
    client_id integer NOT NULL,
    user_id bigint NOT NULL,
    report text NOT NULL,
    period_start date NOT NULL,
    message_id text NOT NULL,
    unsubscribe_hash text NOT NULL,
    begun_at timestamp with time zone DEFAULT now() NOT NULL,
    sent_at timestamp with time zone,
    about text DEFAULT ''::text NOT NULL,
    CONSTRAINT reports_sent_report_check CHECK ((report = ANY (ARRAY['weekly'::text, 'monthly'::text, 'signals'::text])))
);
ALTER TABLE ONLY core.reports_sent FORCE ROW LEVEL SECURITY;
COMMENT ON TABLE core.reports_sent IS 'One row per report, person and period: written before the message is given to the mail server, so that nobody gets it twice, and deleted when that server refuses it. Without sent_at, nobody knows whether the message has left.';
COMMENT ON COLUMN core.reports_sent.unsubscribe_hash IS 'SHA-256 of the token in the message''s link, in hex.';
COMMENT ON COLUMN core.reports_sent.about IS 'Of signals, the event that was told: a metric and what happened; period_start is its day.';
ALTER TABLE ONLY core.reports_sent ADD CONSTRAINT reports_sent_pkey PRIMARY KEY (client_id, user_id, report, period_start, about);
CREATE INDEX reports_sent_unsubscribe ON core.reports_sent USING btree (unsubscribe_hash);
CREATE TRIGGER audit AFTER UPDATE ON core.reports_sent FOR EACH ROW EXECUTE FUNCTION audit.reports();
ALTER TABLE ONLY core.reports_sent ADD CONSTRAINT reports_sent_client_id_user_id_fkey FOREIGN KEY (client_id, user_id) REFERENCES core.users(client_id, id);
CREATE POLICY admin ON core.reports_sent TO pulse_admin USING (true);
CREATE POLICY owner ON core.reports_sent TO pulse_owner USING ((SESSION_USER = 'pulse_owner'::name));
ALTER TABLE core.reports_sent ENABLE ROW LEVEL SECURITY;
CREATE POLICY unsubscribe ON core.reports_sent FOR SELECT TO pulse_owner USING ((SESSION_USER = 'pulse_auth'::name));
GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE core.reports_sent TO pulse_admin;

-- core.reports_stopped ------------------------------------------------------------------------------------------------
CREATE TABLE core.reports_stopped (
    client_id integer NOT NULL,
    user_id bigint NOT NULL,
    report text NOT NULL,
    stopped_at timestamp with time zone DEFAULT now() NOT NULL,
    CONSTRAINT reports_stopped_report_check CHECK ((report = ANY (ARRAY['weekly'::text, 'monthly'::text, 'signals'::text])))
);
ALTER TABLE ONLY core.reports_stopped FORCE ROW LEVEL SECURITY;
COMMENT ON TABLE core.reports_stopped IS 'One row per report that a person has stopped with the link in a message. It goes when the Variable no longer asks for it.';
ALTER TABLE ONLY core.reports_stopped ADD CONSTRAINT reports_stopped_pkey PRIMARY KEY (client_id, user_id, report);
ALTER TABLE ONLY core.reports_stopped ADD CONSTRAINT reports_stopped_client_id_user_id_fkey FOREIGN KEY (client_id, user_id) REFERENCES core.users(client_id, id);
CREATE POLICY admin ON core.reports_stopped TO pulse_admin USING (true);
CREATE POLICY owner ON core.reports_stopped TO pulse_owner USING ((SESSION_USER = 'pulse_owner'::name));
ALTER TABLE core.reports_stopped ENABLE ROW LEVEL SECURITY;
CREATE POLICY unsubscribe ON core.reports_stopped TO pulse_owner USING ((SESSION_USER = 'pulse_auth'::name));
GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE core.reports_stopped TO pulse_admin;

-- core.repositories ---------------------------------------------------------------------------------------------------
CREATE TABLE core.repositories (
    client_id integer NOT NULL,
    integration_id bigint NOT NULL,
    id bigint NOT NULL,
    node_id text,
    full_name text NOT NULL,
    default_branch text,
    url text NOT NULL,
    archived boolean DEFAULT false NOT NULL,
    pushed_at timestamp with time zone,
    deleted_at timestamp with time zone
);
ALTER TABLE ONLY core.repositories FORCE ROW LEVEL SECURITY;
ALTER TABLE core.repositories ADD CONSTRAINT repositories_default_branch_length CHECK ((octet_length(default_branch) <= 1000)) NOT VALID;
ALTER TABLE core.repositories ADD CONSTRAINT repositories_full_name_length CHECK ((octet_length(full_name) <= 500)) NOT VALID;
ALTER TABLE ONLY core.repositories ADD CONSTRAINT repositories_pkey PRIMARY KEY (client_id, integration_id, id);
ALTER TABLE core.repositories ADD CONSTRAINT repositories_pushed_at_time CHECK (((pushed_at >= '1969-12-31 00:00:00+00'::timestamp with time zone) AND (pushed_at <= '2200-01-01 00:00:00+00'::timestamp with time zone))) NOT VALID;
ALTER TABLE core.repositories ADD CONSTRAINT repositories_url_length CHECK ((octet_length(url) <= 1000)) NOT VALID;
ALTER TABLE ONLY core.repositories ADD CONSTRAINT repositories_client_id_integration_id_fkey FOREIGN KEY (client_id, integration_id) REFERENCES core.integrations(client_id, id);
CREATE POLICY etl ON core.repositories TO pulse_etl USING ((client_id = ( SELECT core.etl_client_id() AS etl_client_id)));
CREATE POLICY owner ON core.repositories TO pulse_owner USING ((SESSION_USER = 'pulse_owner'::name));
CREATE POLICY reader ON core.repositories FOR SELECT TO pulse_reader USING ((client_id = ( SELECT core.reader_client_id() AS reader_client_id)));
ALTER TABLE core.repositories ENABLE ROW LEVEL SECURITY;
CREATE POLICY staff ON core.repositories FOR SELECT TO pulse_staff USING (true);
GRANT SELECT,INSERT,DELETE,MAINTAIN,UPDATE ON TABLE core.repositories TO pulse_etl;
GRANT SELECT ON TABLE core.repositories TO pulse_staff;
GRANT SELECT ON TABLE core.repositories TO pulse_reader;

-- core.review_load ----------------------------------------------------------------------------------------------------
CREATE TABLE core.review_load (
    client_id integer NOT NULL,
    days integer NOT NULL,
    reviews integer NOT NULL,
    reviewers integer NOT NULL,
    half_reviewers integer
);
ALTER TABLE ONLY core.review_load FORCE ROW LEVEL SECURITY;
COMMENT ON TABLE core.review_load IS 'One row per client: reviews by people in so many days that end today, how many people gave them, and how few gave half of them. NULL below five people.';
ALTER TABLE ONLY core.review_load ADD CONSTRAINT review_load_pkey PRIMARY KEY (client_id, days);
ALTER TABLE ONLY core.review_load ADD CONSTRAINT review_load_client_id_fkey FOREIGN KEY (client_id) REFERENCES core.clients(id);
CREATE POLICY etl ON core.review_load TO pulse_etl USING ((client_id = ( SELECT core.etl_client_id() AS etl_client_id)));
CREATE POLICY owner ON core.review_load TO pulse_owner USING ((SESSION_USER = 'pulse_owner'::name));
CREATE POLICY reader ON core.review_load FOR SELECT TO pulse_reader USING ((client_id = ( SELECT core.reader_client_id() AS reader_client_id)));
ALTER TABLE core.review_load ENABLE ROW LEVEL SECURITY;
CREATE POLICY staff ON core.review_load FOR SELECT TO pulse_staff USING (true);
GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE core.review_load TO pulse_etl;
GRANT SELECT ON TABLE core.review_load TO pulse_staff;
GRANT SELECT ON TABLE core.review_load TO pulse_reader;

-- core.reviews --------------------------------------------------------------------------------------------------------
CREATE TABLE core.reviews (
    client_id integer NOT NULL,
    integration_id bigint NOT NULL,
    pull_request_id bigint NOT NULL,
    id bigint NOT NULL,
    author_login text,
    author_is_bot boolean DEFAULT false NOT NULL,
    state text NOT NULL,
    submitted_at timestamp with time zone,
    comment_count integer DEFAULT 0 NOT NULL
);
ALTER TABLE ONLY core.reviews FORCE ROW LEVEL SECURITY;
ALTER TABLE ONLY core.reviews ADD CONSTRAINT reviews_pkey PRIMARY KEY (client_id, integration_id, pull_request_id, id);
ALTER TABLE core.reviews ADD CONSTRAINT reviews_submitted_at_time CHECK (((submitted_at >= '1969-12-31 00:00:00+00'::timestamp with time zone) AND (submitted_at <= '2200-01-01 00:00:00+00'::timestamp with time zone))) NOT VALID;
CREATE TRIGGER dora_delete AFTER DELETE ON core.reviews REFERENCING OLD TABLE AS old_rows FOR EACH STATEMENT EXECUTE FUNCTION core.enqueue_dora('pull_request', 'pull_request_id');
CREATE TRIGGER dora_insert AFTER INSERT ON core.reviews REFERENCING NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION core.enqueue_dora('pull_request', 'pull_request_id');
CREATE TRIGGER dora_update AFTER UPDATE ON core.reviews REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION core.enqueue_dora('pull_request', 'pull_request_id');
ALTER TABLE ONLY core.reviews ADD CONSTRAINT reviews_client_id_integration_id_pull__fkey FOREIGN KEY (client_id, integration_id, pull_request_id) REFERENCES core.pull_requests(client_id, integration_id, id) ON DELETE CASCADE;
CREATE POLICY etl ON core.reviews TO pulse_etl USING ((client_id = ( SELECT core.etl_client_id() AS etl_client_id)));
CREATE POLICY owner ON core.reviews TO pulse_owner USING ((SESSION_USER = 'pulse_owner'::name));
CREATE POLICY reader ON core.reviews FOR SELECT TO pulse_reader USING ((client_id = ( SELECT core.reader_client_id() AS reader_client_id)));
ALTER TABLE core.reviews ENABLE ROW LEVEL SECURITY;
CREATE POLICY staff ON core.reviews FOR SELECT TO pulse_staff USING (true);
GRANT SELECT,INSERT,DELETE,MAINTAIN,UPDATE ON TABLE core.reviews TO pulse_etl;
GRANT SELECT ON TABLE core.reviews TO pulse_staff;
GRANT SELECT ON TABLE core.reviews TO pulse_reader;

-- core.rework_evidence ------------------------------------------------------------------------------------------------
CREATE TABLE core.rework_evidence (
    client_id integer NOT NULL,
    deployment_id text NOT NULL,
    rule text NOT NULL,
    evidence_id text NOT NULL,
    evidence_text text DEFAULT ''::text NOT NULL,
    evidence_url text,
    CONSTRAINT rework_evidence_rule_check CHECK ((rule = ANY (ARRAY['rollback'::text, 'hotfix'::text, 'revert'::text, 'incident'::text])))
);
ALTER TABLE ONLY core.rework_evidence FORCE ROW LEVEL SECURITY;
COMMENT ON TABLE core.rework_evidence IS 'One row per reason why a production deployment was unplanned: the deployment that it undid, or the change or incident that it repaired.';
ALTER TABLE ONLY core.rework_evidence ADD CONSTRAINT rework_evidence_pkey PRIMARY KEY (client_id, deployment_id, rule, evidence_id);
CREATE POLICY etl ON core.rework_evidence TO pulse_etl USING ((client_id = ( SELECT core.etl_client_id() AS etl_client_id)));
CREATE POLICY owner ON core.rework_evidence TO pulse_owner USING ((SESSION_USER = 'pulse_owner'::name));
CREATE POLICY reader ON core.rework_evidence FOR SELECT TO pulse_reader USING ((client_id = ( SELECT core.reader_client_id() AS reader_client_id)));
ALTER TABLE core.rework_evidence ENABLE ROW LEVEL SECURITY;
CREATE POLICY staff ON core.rework_evidence FOR SELECT TO pulse_staff USING (true);
GRANT SELECT,INSERT,DELETE,MAINTAIN,UPDATE ON TABLE core.rework_evidence TO pulse_etl;
GRANT SELECT ON TABLE core.rework_evidence TO pulse_staff;
GRANT SELECT ON TABLE core.rework_evidence TO pulse_reader;

-- core.services -------------------------------------------------------------------------------------------------------
CREATE TABLE core.services (
    client_id integer NOT NULL,
    id text NOT NULL,
    name text NOT NULL,
    integration_id bigint,
    repository_id bigint,
    path_pattern text,
    production_branch text,
    deployment_pattern text
);
ALTER TABLE ONLY core.services FORCE ROW LEVEL SECURITY;
COMMENT ON COLUMN core.services.path_pattern IS 'For a part of a monorepo: pattern of the files that belong to it.';
COMMENT ON COLUMN core.services.deployment_pattern IS 'For a part of a monorepo: pattern of what deploys it.';
ALTER TABLE ONLY core.services ADD CONSTRAINT services_pkey PRIMARY KEY (client_id, id);
ALTER TABLE ONLY core.services ADD CONSTRAINT services_client_id_fkey FOREIGN KEY (client_id) REFERENCES core.clients(id);
CREATE POLICY etl ON core.services TO pulse_etl USING ((client_id = ( SELECT core.etl_client_id() AS etl_client_id)));
CREATE POLICY owner ON core.services TO pulse_owner USING ((SESSION_USER = 'pulse_owner'::name));
CREATE POLICY reader ON core.services FOR SELECT TO pulse_reader USING ((client_id = ( SELECT core.reader_client_id() AS reader_client_id)));
ALTER TABLE core.services ENABLE ROW LEVEL SECURITY;
CREATE POLICY staff ON core.services FOR SELECT TO pulse_staff USING (true);
GRANT SELECT,INSERT,DELETE,MAINTAIN,UPDATE ON TABLE core.services TO pulse_etl;
GRANT SELECT ON TABLE core.services TO pulse_staff;
GRANT SELECT ON TABLE core.services TO pulse_reader;

-- core.sprints --------------------------------------------------------------------------------------------------------
CREATE TABLE core.sprints (
    client_id integer NOT NULL,
    integration_id bigint NOT NULL,
    id bigint NOT NULL,
    board_id bigint,
    name text NOT NULL,
    state text NOT NULL,
    started_at timestamp with time zone,
    ends_at timestamp with time zone,
    completed_at timestamp with time zone,
    deleted_at timestamp with time zone,
    CONSTRAINT sprints_state_check CHECK ((state = ANY (ARRAY['future'::text, 'active'::text, 'closed'::text])))
);
ALTER TABLE ONLY core.sprints FORCE ROW LEVEL SECURITY;
COMMENT ON TABLE core.sprints IS 'One row per sprint of a scrum board.';
ALTER TABLE core.sprints ADD CONSTRAINT sprints_completed_at_time CHECK (((completed_at >= '1969-12-31 00:00:00+00'::timestamp with time zone) AND (completed_at <= '2200-01-01 00:00:00+00'::timestamp with time zone))) NOT VALID;
ALTER TABLE core.sprints ADD CONSTRAINT sprints_ends_at_time CHECK (((ends_at >= '1969-12-31 00:00:00+00'::timestamp with time zone) AND (ends_at <= '2200-01-01 00:00:00+00'::timestamp with time zone))) NOT VALID;
ALTER TABLE ONLY core.sprints ADD CONSTRAINT sprints_pkey PRIMARY KEY (client_id, integration_id, id);
ALTER TABLE core.sprints ADD CONSTRAINT sprints_started_at_time CHECK (((started_at >= '1969-12-31 00:00:00+00'::timestamp with time zone) AND (started_at <= '2200-01-01 00:00:00+00'::timestamp with time zone))) NOT VALID;
ALTER TABLE ONLY core.sprints ADD CONSTRAINT sprints_client_id_integration_id_fkey FOREIGN KEY (client_id, integration_id) REFERENCES core.integrations(client_id, id);
CREATE POLICY etl ON core.sprints TO pulse_etl USING ((client_id = ( SELECT core.etl_client_id() AS etl_client_id)));
CREATE POLICY owner ON core.sprints TO pulse_owner USING ((SESSION_USER = 'pulse_owner'::name));
CREATE POLICY reader ON core.sprints FOR SELECT TO pulse_reader USING ((client_id = ( SELECT core.reader_client_id() AS reader_client_id)));
ALTER TABLE core.sprints ENABLE ROW LEVEL SECURITY;
CREATE POLICY staff ON core.sprints FOR SELECT TO pulse_staff USING (true);
GRANT SELECT,INSERT,DELETE,MAINTAIN,UPDATE ON TABLE core.sprints TO pulse_etl;
GRANT SELECT ON TABLE core.sprints TO pulse_staff;
GRANT SELECT ON TABLE core.sprints TO pulse_reader;

-- core.sync_state -----------------------------------------------------------------------------------------------------
CREATE TABLE core.sync_state (
    slug text NOT NULL,
    declared text DEFAULT ''::text NOT NULL,
    declared_at timestamp with time zone DEFAULT '-infinity'::timestamp with time zone NOT NULL,
    provisioned text DEFAULT ''::text NOT NULL,
    provisioned_at timestamp with time zone DEFAULT '-infinity'::timestamp with time zone NOT NULL
);
ALTER TABLE ONLY core.sync_state FORCE ROW LEVEL SECURITY;
COMMENT ON TABLE core.sync_state IS 'One row per client: what sync_clients has brought into the tables (declared) and into Superset (provisioned), as hashes, and when it last looked. A client for which neither differs costs no task and no request.';
ALTER TABLE ONLY core.sync_state ADD CONSTRAINT sync_state_pkey PRIMARY KEY (slug);
CREATE POLICY admin ON core.sync_state TO pulse_admin USING (true);
ALTER TABLE core.sync_state ENABLE ROW LEVEL SECURITY;
GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE core.sync_state TO pulse_admin;

-- core.system_settings ------------------------------------------------------------------------------------------------
CREATE TABLE core.system_settings (
    client_id integer NOT NULL,
    setting_key text NOT NULL,
    setting_value jsonb NOT NULL,
    updated_at timestamp with time zone DEFAULT now() NOT NULL
);
ALTER TABLE ONLY core.system_settings FORCE ROW LEVEL SECURITY;
ALTER TABLE ONLY core.system_settings ADD CONSTRAINT system_settings_pkey PRIMARY KEY (client_id, setting_key);
CREATE TRIGGER audit AFTER INSERT OR DELETE OR UPDATE ON core.system_settings FOR EACH ROW EXECUTE FUNCTION audit.settings();
CREATE TRIGGER raise_data_version AFTER INSERT OR DELETE OR UPDATE ON core.system_settings FOR EACH ROW EXECUTE FUNCTION core.raise_data_version();
ALTER TABLE ONLY core.system_settings ADD CONSTRAINT system_settings_client_id_fkey FOREIGN KEY (client_id) REFERENCES core.clients(id);
CREATE POLICY admin ON core.system_settings TO pulse_admin USING (true);
CREATE POLICY auth ON core.system_settings FOR SELECT TO pulse_auth USING ((setting_key ~ '^(brand|feature)\.'::text));
CREATE POLICY embed ON core.system_settings FOR SELECT TO pulse_auth USING ((setting_key ~ '^embed\.'::text));
CREATE POLICY embedding ON core.system_settings FOR SELECT TO pulse_owner USING (((SESSION_USER = 'pulse_auth'::name) AND (setting_key ~ '^embed\.'::text)));
CREATE POLICY etl ON core.system_settings FOR SELECT TO pulse_etl USING ((client_id = ( SELECT core.etl_client_id() AS etl_client_id)));
CREATE POLICY ingest ON core.system_settings FOR SELECT TO pulse_ingest USING (((client_id = ( SELECT s.client_id
   FROM core.ingest_source() s(client_id, integration_id, slug, integration_type, name, config_data))) AND (setting_key ~~ 'ingest.%'::text)));
CREATE POLICY links ON core.system_settings FOR SELECT TO pulse_owner USING (((SESSION_USER = 'pulse_auth'::name) AND (setting_key ~ '^sso\.'::text)));
CREATE POLICY owner ON core.system_settings TO pulse_owner USING ((SESSION_USER = 'pulse_owner'::name));
CREATE POLICY reader ON core.system_settings FOR SELECT TO pulse_reader USING ((client_id = ( SELECT core.reader_client_id() AS reader_client_id)));
CREATE POLICY sso ON core.system_settings FOR SELECT TO pulse_auth USING ((setting_key ~ '^sso\.'::text));
CREATE POLICY staff ON core.system_settings FOR SELECT TO pulse_staff USING (true);
ALTER TABLE core.system_settings ENABLE ROW LEVEL SECURITY;
GRANT SELECT ON TABLE core.system_settings TO pulse_staff;
GRANT SELECT ON TABLE core.system_settings TO pulse_reader;
GRANT SELECT,MAINTAIN ON TABLE core.system_settings TO pulse_etl;
GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE core.system_settings TO pulse_admin;
GRANT SELECT ON TABLE core.system_settings TO pulse_auth;
GRANT SELECT ON TABLE core.system_settings TO pulse_ingest;

-- core.transform_watermarks -------------------------------------------------------------------------------------------
CREATE TABLE core.transform_watermarks (
    client_id integer NOT NULL,
    transform text NOT NULL,
    loaded_xid xid8 NOT NULL,
    updated_at timestamp with time zone DEFAULT now() NOT NULL
);
ALTER TABLE ONLY core.transform_watermarks FORCE ROW LEVEL SECURITY;
ALTER TABLE ONLY core.transform_watermarks ADD CONSTRAINT transform_watermarks_pkey PRIMARY KEY (client_id, transform);
ALTER TABLE ONLY core.transform_watermarks ADD CONSTRAINT transform_watermarks_client_id_fkey FOREIGN KEY (client_id) REFERENCES core.clients(id);
CREATE POLICY etl ON core.transform_watermarks TO pulse_etl USING ((client_id = ( SELECT core.etl_client_id() AS etl_client_id)));
CREATE POLICY owner ON core.transform_watermarks TO pulse_owner USING ((SESSION_USER = 'pulse_owner'::name));
CREATE POLICY staff ON core.transform_watermarks FOR SELECT TO pulse_staff USING (true);
ALTER TABLE core.transform_watermarks ENABLE ROW LEVEL SECURITY;
GRANT SELECT,INSERT,DELETE,MAINTAIN,UPDATE ON TABLE core.transform_watermarks TO pulse_etl;
GRANT SELECT ON TABLE core.transform_watermarks TO pulse_staff;

-- core.translations ---------------------------------------------------------------------------------------------------
CREATE TABLE core.translations (
    language text NOT NULL,
    source text NOT NULL,
    text text NOT NULL,
    CONSTRAINT translations_language_check CHECK (((language ~ '^[a-z]{2}$'::text) AND (language <> 'en'::text))),
    CONSTRAINT translations_text_check CHECK ((text <> ''::text))
);
COMMENT ON TABLE core.translations IS 'The texts of plugins/pulse/languages/<language>.po: what stands in English in the SQL, and the same in another language.';
ALTER TABLE ONLY core.translations ADD CONSTRAINT translations_pkey PRIMARY KEY (language, source);
GRANT SELECT ON TABLE core.translations TO pulse_etl;
GRANT SELECT ON TABLE core.translations TO pulse_staff;
GRANT SELECT ON TABLE core.translations TO pulse_reader;

-- core.user_sessions --------------------------------------------------------------------------------------------------
CREATE TABLE core.user_sessions (
    client_id integer NOT NULL,
    id bigint NOT NULL,
    user_id bigint NOT NULL,
    token_hash text NOT NULL,
    kind text DEFAULT 'browser'::text NOT NULL,
    active boolean DEFAULT true NOT NULL,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    expires_at timestamp with time zone NOT NULL,
    CONSTRAINT user_sessions_kind_check CHECK ((kind = ANY (ARRAY['browser'::text, 'api'::text])))
);
ALTER TABLE ONLY core.user_sessions FORCE ROW LEVEL SECURITY;
ALTER TABLE core.user_sessions ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME core.user_sessions_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);
ALTER TABLE ONLY core.user_sessions ADD CONSTRAINT user_sessions_client_id_token_hash_key UNIQUE (client_id, token_hash);
ALTER TABLE ONLY core.user_sessions ADD CONSTRAINT user_sessions_pkey PRIMARY KEY (client_id, id);
ALTER TABLE ONLY core.user_sessions ADD CONSTRAINT user_sessions_client_id_user_id_fkey FOREIGN KEY (client_id, user_id) REFERENCES core.users(client_id, id) ON DELETE CASCADE;
CREATE POLICY admin ON core.user_sessions TO pulse_admin USING (true);
CREATE POLICY auth ON core.user_sessions TO pulse_auth USING (true);
CREATE POLICY links ON core.user_sessions TO pulse_owner USING ((SESSION_USER = 'pulse_auth'::name));
CREATE POLICY owner ON core.user_sessions TO pulse_owner USING ((SESSION_USER = 'pulse_owner'::name));
ALTER TABLE core.user_sessions ENABLE ROW LEVEL SECURITY;
GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE core.user_sessions TO pulse_admin;
GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE core.user_sessions TO pulse_auth;
GRANT MAINTAIN ON TABLE core.user_sessions TO pulse_etl;

-- core.users ----------------------------------------------------------------------------------------------------------
CREATE TABLE core.users (
    client_id integer NOT NULL,
    id bigint NOT NULL,
    email text NOT NULL,
    full_name text DEFAULT ''::text NOT NULL,
    password_hash text NOT NULL,
    role text NOT NULL,
    theme_mode text,
    active boolean DEFAULT true NOT NULL,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    updated_at timestamp with time zone DEFAULT now() NOT NULL,
    sessions_from timestamp with time zone DEFAULT to_timestamp((0)::double precision) NOT NULL,
    reports text[] DEFAULT '{}'::text[] NOT NULL,
    declared_hash text DEFAULT ''::text NOT NULL,
    origin text DEFAULT 'variable'::text NOT NULL,
    sso_subject text DEFAULT ''::text NOT NULL,
    language text,
    CONSTRAINT users_email_check CHECK ((email = lower(email))),
    CONSTRAINT users_language_check CHECK ((language = ANY (ARRAY['en'::text, 'de'::text]))),
    CONSTRAINT users_origin_check CHECK ((origin = ANY (ARRAY['variable'::text, 'people'::text, 'sso'::text]))),
    CONSTRAINT users_reports_check CHECK ((reports <@ ARRAY['weekly'::text, 'monthly'::text, 'signals'::text])),
    CONSTRAINT users_role_check CHECK ((role = ANY (ARRAY['executive'::text, 'manager'::text, 'client_admin'::text]))),
    CONSTRAINT users_theme_mode_check CHECK ((theme_mode = ANY (ARRAY['light'::text, 'dark'::text, 'system'::text])))
);
ALTER TABLE ONLY core.users FORCE ROW LEVEL SECURITY;
COMMENT ON COLUMN core.users.password_hash IS 'scrypt, as werkzeug writes it. Empty: the person has no password (yet).';
COMMENT ON COLUMN core.users.theme_mode IS 'Light or dark mode, as the Variable says for this person; null: as the client''s brand.theme_mode.';
COMMENT ON COLUMN core.users.reports IS 'The reports that the person is to get by mail: weekly, monthly, and signals (when a number moves by more than chance, or a target is reached or missed).';
COMMENT ON COLUMN core.users.declared_hash IS 'The hash of the password that the Variable has. It becomes the person''s when the Variable changes, so that a password which the person has set stays.';
COMMENT ON COLUMN core.users.origin IS 'Who rules this person: the Variable, the page People, or the sign-in provider at the first sign-in. The Variable takes over whomever it names.';
COMMENT ON COLUMN core.users.sso_subject IS 'Who the person is at the sign-in provider (issuer and subject), since the first sign-in there: an address may be given to somebody else one day.';
COMMENT ON COLUMN core.users.language IS 'The language of what the person sees and gets by mail; NULL: the client''s.';
ALTER TABLE core.users ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME core.users_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);
ALTER TABLE ONLY core.users ADD CONSTRAINT users_pkey PRIMARY KEY (client_id, id);
CREATE UNIQUE INDEX users_email ON core.users USING btree (email);
CREATE TRIGGER audit AFTER INSERT OR DELETE OR UPDATE ON core.users FOR EACH ROW EXECUTE FUNCTION audit.people();
CREATE TRIGGER end_sessions BEFORE UPDATE ON core.users FOR EACH ROW WHEN (((((old.email IS DISTINCT FROM new.email) OR (old.password_hash IS DISTINCT FROM new.password_hash)) OR (old.role IS DISTINCT FROM new.role)) OR (old.active IS DISTINCT FROM new.active))) EXECUTE FUNCTION core.end_sessions();
ALTER TABLE ONLY core.users ADD CONSTRAINT users_client_id_fkey FOREIGN KEY (client_id) REFERENCES core.clients(id);
CREATE POLICY admin ON core.users TO pulse_admin USING (true);
CREATE POLICY auth ON core.users FOR SELECT TO pulse_auth USING (true);
CREATE POLICY links ON core.users TO pulse_owner USING ((SESSION_USER = 'pulse_auth'::name));
CREATE POLICY owner ON core.users TO pulse_owner USING ((SESSION_USER = 'pulse_owner'::name));
ALTER TABLE core.users ENABLE ROW LEVEL SECURITY;
GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE core.users TO pulse_admin;
GRANT SELECT ON TABLE core.users TO pulse_auth;
GRANT MAINTAIN ON TABLE core.users TO pulse_etl;

-- core.work_ageing ----------------------------------------------------------------------------------------------------
CREATE TABLE core.work_ageing (
    client_id integer NOT NULL,
    id text NOT NULL,
    age_hours double precision NOT NULL
);
ALTER TABLE ONLY core.work_ageing FORCE ROW LEVEL SECURITY;
COMMENT ON TABLE core.work_ageing IS 'One row per work item in progress: hours from its start to the beginning of today, in the client''s time zone.';
ALTER TABLE ONLY core.work_ageing ADD CONSTRAINT work_ageing_pkey PRIMARY KEY (client_id, id);
CREATE POLICY etl ON core.work_ageing TO pulse_etl USING ((client_id = ( SELECT core.etl_client_id() AS etl_client_id)));
CREATE POLICY owner ON core.work_ageing TO pulse_owner USING ((SESSION_USER = 'pulse_owner'::name));
CREATE POLICY reader ON core.work_ageing FOR SELECT TO pulse_reader USING ((client_id = ( SELECT core.reader_client_id() AS reader_client_id)));
CREATE POLICY staff ON core.work_ageing FOR SELECT TO pulse_staff USING (true);
ALTER TABLE core.work_ageing ENABLE ROW LEVEL SECURITY;
GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE core.work_ageing TO pulse_etl;
GRANT SELECT ON TABLE core.work_ageing TO pulse_staff;
GRANT SELECT ON TABLE core.work_ageing TO pulse_reader;

-- core.work_items -----------------------------------------------------------------------------------------------------
CREATE TABLE core.work_items (
    client_id integer NOT NULL,
    id text NOT NULL,
    integration_id bigint NOT NULL,
    issue_id bigint NOT NULL,
    project_key text NOT NULL,
    key text NOT NULL,
    url text NOT NULL,
    issue_type text NOT NULL,
    is_bug boolean NOT NULL,
    summary text NOT NULL,
    status text NOT NULL,
    status_category text NOT NULL,
    service_id text,
    story_points numeric,
    created_at timestamp with time zone NOT NULL,
    started_at timestamp with time zone,
    done_at timestamp with time zone,
    created_on date NOT NULL,
    started_on date,
    done_on date,
    cycle_time_hours double precision,
    lead_time_hours double precision,
    reopened_count integer NOT NULL,
    is_incident boolean NOT NULL,
    epic_key text,
    epic_name text,
    fix_versions text[] DEFAULT '{}'::text[] NOT NULL,
    category text DEFAULT ''::text NOT NULL,
    is_unplanned boolean DEFAULT false NOT NULL,
    is_epic boolean DEFAULT false NOT NULL,
    is_subtask boolean DEFAULT false NOT NULL,
    waiting_hours double precision
);
ALTER TABLE ONLY core.work_items FORCE ROW LEVEL SECURITY;
COMMENT ON TABLE core.work_items IS 'One row per Jira issue that is not deleted: when work on it began and ended.';
COMMENT ON COLUMN core.work_items.started_at IS 'First entry into a status of category indeterminate (its creation, if it was created in one); otherwise first entry into a done status.';
COMMENT ON COLUMN core.work_items.done_at IS 'For an issue that is done now: first entry into a done status after the last reopening; otherwise its resolution date.';
COMMENT ON COLUMN core.work_items.epic_key IS 'Key of the epic that it is in; a sub-task is in the epic of its parent.';
COMMENT ON COLUMN core.work_items.category IS 'The first category of the setting work.categories that it matches; empty if none does.';
COMMENT ON COLUMN core.work_items.is_epic IS 'It holds other items. Forecasts and effort count these, not the epic.';
COMMENT ON COLUMN core.work_items.waiting_hours IS 'Hours between its start and its end in one of the statuses of the setting work.waiting_statuses; NULL without the setting.';
ALTER TABLE ONLY core.work_items ADD CONSTRAINT work_items_pkey PRIMARY KEY (client_id, id);
CREATE INDEX work_items_created ON core.work_items USING btree (client_id, created_on);
CREATE INDEX work_items_done ON core.work_items USING btree (client_id, done_on);
CREATE INDEX work_items_epic ON core.work_items USING btree (client_id, epic_key) WHERE (epic_key IS NOT NULL);
CREATE INDEX work_items_incidents ON core.work_items USING btree (client_id, id) WHERE is_incident;
CREATE INDEX work_items_open ON core.work_items USING btree (client_id, started_on) WHERE (done_on IS NULL);
CREATE INDEX work_items_project ON core.work_items USING btree (client_id, project_key, LEAST(created_on, started_on, done_on));
CREATE POLICY etl ON core.work_items TO pulse_etl USING ((client_id = ( SELECT core.etl_client_id() AS etl_client_id)));
CREATE POLICY owner ON core.work_items TO pulse_owner USING ((SESSION_USER = 'pulse_owner'::name));
CREATE POLICY reader ON core.work_items FOR SELECT TO pulse_reader USING ((client_id = ( SELECT core.reader_client_id() AS reader_client_id)));
CREATE POLICY staff ON core.work_items FOR SELECT TO pulse_staff USING (true);
ALTER TABLE core.work_items ENABLE ROW LEVEL SECURITY;
GRANT SELECT,INSERT,DELETE,MAINTAIN,UPDATE ON TABLE core.work_items TO pulse_etl;
GRANT SELECT ON TABLE core.work_items TO pulse_staff;
GRANT SELECT ON TABLE core.work_items TO pulse_reader;

-- core.work_percentiles -----------------------------------------------------------------------------------------------
CREATE TABLE core.work_percentiles (
    client_id integer NOT NULL,
    scope_type text NOT NULL,
    scope_id text NOT NULL,
    p50_hours double precision,
    p85_hours double precision,
    p95_hours double precision,
    sample_size bigint NOT NULL,
    needed integer NOT NULL,
    computed_on date NOT NULL,
    CONSTRAINT work_percentiles_scope_type_check CHECK ((scope_type = ANY (ARRAY['client'::text, 'project'::text, 'pull_requests'::text])))
);
ALTER TABLE ONLY core.work_percentiles FORCE ROW LEVEL SECURITY;
COMMENT ON TABLE core.work_percentiles IS 'One row per scope: how long the items done in the last 90 days took, as what to expect of the next; for pull_requests, from opened to merged, of those with a review. NULL below dora.minimum_sample (needed) of them.';
ALTER TABLE ONLY core.work_percentiles ADD CONSTRAINT work_percentiles_pkey PRIMARY KEY (client_id, scope_type, scope_id);
ALTER TABLE ONLY core.work_percentiles ADD CONSTRAINT work_percentiles_client_id_fkey FOREIGN KEY (client_id) REFERENCES core.clients(id);
CREATE POLICY etl ON core.work_percentiles TO pulse_etl USING ((client_id = ( SELECT core.etl_client_id() AS etl_client_id)));
CREATE POLICY owner ON core.work_percentiles TO pulse_owner USING ((SESSION_USER = 'pulse_owner'::name));
CREATE POLICY reader ON core.work_percentiles FOR SELECT TO pulse_reader USING ((client_id = ( SELECT core.reader_client_id() AS reader_client_id)));
CREATE POLICY staff ON core.work_percentiles FOR SELECT TO pulse_staff USING (true);
ALTER TABLE core.work_percentiles ENABLE ROW LEVEL SECURITY;
GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE core.work_percentiles TO pulse_etl;
GRANT SELECT ON TABLE core.work_percentiles TO pulse_staff;
GRANT SELECT ON TABLE core.work_percentiles TO pulse_reader;

-- core.work_sprint_items ----------------------------------------------------------------------------------------------
CREATE TABLE core.work_sprint_items (
    client_id integer NOT NULL,
    integration_id bigint NOT NULL,
    sprint_id bigint NOT NULL,
    issue_id bigint NOT NULL,
    work_item_id text NOT NULL,
    joined_at timestamp with time zone NOT NULL,
    left_at timestamp with time zone,
    is_planned boolean NOT NULL,
    is_added boolean NOT NULL,
    is_removed boolean NOT NULL,
    is_completed boolean NOT NULL,
    entry_points numeric,
    end_points numeric
);
ALTER TABLE ONLY core.work_sprint_items FORCE ROW LEVEL SECURITY;
COMMENT ON TABLE core.work_sprint_items IS 'One row per sprint and issue that is or was in it. All flags are false for an issue that was already done when it came in, left before the start or came after the end, and for all while the sprint has not started.';
COMMENT ON COLUMN core.work_sprint_items.entry_points IS 'Story points when the sprint started, or when the issue was added.';
COMMENT ON COLUMN core.work_sprint_items.end_points IS 'Story points when the sprint ended; now, while it runs.';
ALTER TABLE ONLY core.work_sprint_items ADD CONSTRAINT work_sprint_items_pkey PRIMARY KEY (client_id, integration_id, sprint_id, issue_id);
CREATE INDEX work_sprint_items_issue ON core.work_sprint_items USING btree (client_id, integration_id, issue_id);
ALTER TABLE ONLY core.work_sprint_items ADD CONSTRAINT work_sprint_items_client_id_fkey FOREIGN KEY (client_id) REFERENCES core.clients(id);
CREATE POLICY etl ON core.work_sprint_items TO pulse_etl USING ((client_id = ( SELECT core.etl_client_id() AS etl_client_id)));
CREATE POLICY owner ON core.work_sprint_items TO pulse_owner USING ((SESSION_USER = 'pulse_owner'::name));
CREATE POLICY reader ON core.work_sprint_items FOR SELECT TO pulse_reader USING ((client_id = ( SELECT core.reader_client_id() AS reader_client_id)));
CREATE POLICY staff ON core.work_sprint_items FOR SELECT TO pulse_staff USING (true);
ALTER TABLE core.work_sprint_items ENABLE ROW LEVEL SECURITY;
GRANT SELECT,INSERT,DELETE,MAINTAIN,UPDATE ON TABLE core.work_sprint_items TO pulse_etl;
GRANT SELECT ON TABLE core.work_sprint_items TO pulse_staff;
GRANT SELECT ON TABLE core.work_sprint_items TO pulse_reader;

-- core.work_sprints ---------------------------------------------------------------------------------------------------
CREATE TABLE core.work_sprints (
    client_id integer NOT NULL,
    integration_id bigint NOT NULL,
    id bigint NOT NULL,
    board_id bigint,
    name text NOT NULL,
    state text NOT NULL,
    started_at timestamp with time zone,
    ends_at timestamp with time zone,
    completed_at timestamp with time zone,
    planned_items integer,
    planned_points numeric,
    added_items integer,
    added_points numeric,
    removed_items integer,
    removed_points numeric,
    completed_items integer,
    completed_points numeric,
    completed_planned_items integer,
    completion_ratio double precision,
    null_reason text,
    CONSTRAINT work_sprints_check CHECK (((completion_ratio IS NOT NULL) OR (null_reason IS NOT NULL)))
);
ALTER TABLE ONLY core.work_sprints FORCE ROW LEVEL SECURITY;
COMMENT ON TABLE core.work_sprints IS 'One row per sprint: what was planned, added, removed and completed. The counts are NULL until it starts.';
ALTER TABLE ONLY core.work_sprints ADD CONSTRAINT work_sprints_pkey PRIMARY KEY (client_id, integration_id, id);
ALTER TABLE ONLY core.work_sprints ADD CONSTRAINT work_sprints_client_id_fkey FOREIGN KEY (client_id) REFERENCES core.clients(id);
CREATE POLICY etl ON core.work_sprints TO pulse_etl USING ((client_id = ( SELECT core.etl_client_id() AS etl_client_id)));
CREATE POLICY owner ON core.work_sprints TO pulse_owner USING ((SESSION_USER = 'pulse_owner'::name));
CREATE POLICY reader ON core.work_sprints FOR SELECT TO pulse_reader USING ((client_id = ( SELECT core.reader_client_id() AS reader_client_id)));
CREATE POLICY staff ON core.work_sprints FOR SELECT TO pulse_staff USING (true);
ALTER TABLE core.work_sprints ENABLE ROW LEVEL SECURITY;
GRANT SELECT,INSERT,DELETE,MAINTAIN,UPDATE ON TABLE core.work_sprints TO pulse_etl;
GRANT SELECT ON TABLE core.work_sprints TO pulse_staff;
GRANT SELECT ON TABLE core.work_sprints TO pulse_reader;

-- core.work_state -----------------------------------------------------------------------------------------------------
CREATE TABLE core.work_state (
    client_id integer NOT NULL,
    inputs text NOT NULL,
    computed_through date NOT NULL
);
ALTER TABLE ONLY core.work_state FORCE ROW LEVEL SECURITY;
COMMENT ON TABLE core.work_state IS 'One row per client: a digest of what every item depends on (time zone, statuses, projects, services), and the day that the last run worked with.';
ALTER TABLE ONLY core.work_state ADD CONSTRAINT work_state_pkey PRIMARY KEY (client_id);
ALTER TABLE ONLY core.work_state ADD CONSTRAINT work_state_client_id_fkey FOREIGN KEY (client_id) REFERENCES core.clients(id);
CREATE POLICY etl ON core.work_state TO pulse_etl USING ((client_id = ( SELECT core.etl_client_id() AS etl_client_id)));
CREATE POLICY owner ON core.work_state TO pulse_owner USING ((SESSION_USER = 'pulse_owner'::name));
CREATE POLICY staff ON core.work_state FOR SELECT TO pulse_staff USING (true);
ALTER TABLE core.work_state ENABLE ROW LEVEL SECURITY;
GRANT SELECT,INSERT,DELETE,MAINTAIN,UPDATE ON TABLE core.work_state TO pulse_etl;
GRANT SELECT ON TABLE core.work_state TO pulse_staff;

-- core.work_status_times ----------------------------------------------------------------------------------------------
CREATE TABLE core.work_status_times (
    client_id integer NOT NULL,
    work_item_id text NOT NULL,
    status text NOT NULL,
    status_category text NOT NULL,
    hours double precision,
    visits integer NOT NULL,
    entered_at timestamp with time zone
);
ALTER TABLE ONLY core.work_status_times FORCE ROW LEVEL SECURITY;
COMMENT ON TABLE core.work_status_times IS 'One row per issue and status. The hours of a done issue add up to its lead time: time after done_at does not count.';
COMMENT ON COLUMN core.work_status_times.hours IS 'Hours of the visits that have ended; NULL when no visit has.';
COMMENT ON COLUMN core.work_status_times.entered_at IS 'Since when the issue has been in this status; NULL for statuses that it has left.';
ALTER TABLE ONLY core.work_status_times ADD CONSTRAINT work_status_times_pkey PRIMARY KEY (client_id, work_item_id, status);
CREATE POLICY etl ON core.work_status_times TO pulse_etl USING ((client_id = ( SELECT core.etl_client_id() AS etl_client_id)));
CREATE POLICY owner ON core.work_status_times TO pulse_owner USING ((SESSION_USER = 'pulse_owner'::name));
CREATE POLICY reader ON core.work_status_times FOR SELECT TO pulse_reader USING ((client_id = ( SELECT core.reader_client_id() AS reader_client_id)));
CREATE POLICY staff ON core.work_status_times FOR SELECT TO pulse_staff USING (true);
ALTER TABLE core.work_status_times ENABLE ROW LEVEL SECURITY;
GRANT SELECT,INSERT,DELETE,MAINTAIN,UPDATE ON TABLE core.work_status_times TO pulse_etl;
GRANT SELECT ON TABLE core.work_status_times TO pulse_staff;
GRANT SELECT ON TABLE core.work_status_times TO pulse_reader;

-- core.work_time_in_status --------------------------------------------------------------------------------------------
CREATE TABLE core.work_time_in_status (
    client_id integer NOT NULL,
    scope_type text NOT NULL,
    scope_id text NOT NULL,
    status text NOT NULL,
    status_category text NOT NULL,
    median_hours double precision,
    p75_hours double precision,
    p90_hours double precision,
    total_hours double precision NOT NULL,
    sample_size bigint NOT NULL,
    null_reason text,
    CONSTRAINT work_time_in_status_scope_type_check CHECK ((scope_type = ANY (ARRAY['client'::text, 'project'::text])))
);
ALTER TABLE ONLY core.work_time_in_status FORCE ROW LEVEL SECURITY;
COMMENT ON TABLE core.work_time_in_status IS 'One row per scope and status: how long the items done in the last 90 days were in it.';
ALTER TABLE ONLY core.work_time_in_status ADD CONSTRAINT work_time_in_status_pkey PRIMARY KEY (client_id, scope_type, scope_id, status);
ALTER TABLE ONLY core.work_time_in_status ADD CONSTRAINT work_time_in_status_client_id_fkey FOREIGN KEY (client_id) REFERENCES core.clients(id);
CREATE POLICY etl ON core.work_time_in_status TO pulse_etl USING ((client_id = ( SELECT core.etl_client_id() AS etl_client_id)));
CREATE POLICY owner ON core.work_time_in_status TO pulse_owner USING ((SESSION_USER = 'pulse_owner'::name));
CREATE POLICY reader ON core.work_time_in_status FOR SELECT TO pulse_reader USING ((client_id = ( SELECT core.reader_client_id() AS reader_client_id)));
CREATE POLICY staff ON core.work_time_in_status FOR SELECT TO pulse_staff USING (true);
ALTER TABLE core.work_time_in_status ENABLE ROW LEVEL SECURITY;
GRANT SELECT,INSERT,DELETE,MAINTAIN,UPDATE ON TABLE core.work_time_in_status TO pulse_etl;
GRANT SELECT ON TABLE core.work_time_in_status TO pulse_staff;
GRANT SELECT ON TABLE core.work_time_in_status TO pulse_reader;

-- core.workflow_weeks -------------------------------------------------------------------------------------------------
CREATE TABLE core.workflow_weeks (
    client_id integer NOT NULL,
    week_start date NOT NULL,
    workflow_name text NOT NULL,
    runs integer NOT NULL,
    failures integer NOT NULL,
    total_minutes double precision NOT NULL,
    median_minutes double precision,
    p85_minutes double precision
);
ALTER TABLE ONLY core.workflow_weeks FORCE ROW LEVEL SECURITY;
COMMENT ON TABLE core.workflow_weeks IS 'One row per ISO week and workflow: attempts that ended in it with success or failure, and how long they took.';
ALTER TABLE ONLY core.workflow_weeks ADD CONSTRAINT workflow_weeks_pkey PRIMARY KEY (client_id, week_start, workflow_name);
ALTER TABLE ONLY core.workflow_weeks ADD CONSTRAINT workflow_weeks_client_id_fkey FOREIGN KEY (client_id) REFERENCES core.clients(id);
CREATE POLICY etl ON core.workflow_weeks TO pulse_etl USING ((client_id = ( SELECT core.etl_client_id() AS etl_client_id)));
CREATE POLICY owner ON core.workflow_weeks TO pulse_owner USING ((SESSION_USER = 'pulse_owner'::name));
CREATE POLICY reader ON core.workflow_weeks FOR SELECT TO pulse_reader USING ((client_id = ( SELECT core.reader_client_id() AS reader_client_id)));
CREATE POLICY staff ON core.workflow_weeks FOR SELECT TO pulse_staff USING (true);
ALTER TABLE core.workflow_weeks ENABLE ROW LEVEL SECURITY;
GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE core.workflow_weeks TO pulse_etl;
GRANT SELECT ON TABLE core.workflow_weeks TO pulse_staff;
GRANT SELECT ON TABLE core.workflow_weeks TO pulse_reader;

-- raw.github_commits --------------------------------------------------------------------------------------------------
CREATE TABLE raw.github_commits (
    client_id integer NOT NULL,
    integration_id bigint NOT NULL,
    record_id text NOT NULL,
    scope_key text NOT NULL,
    payload jsonb NOT NULL,
    payload_hash text NOT NULL,
    upstream_updated_at timestamp with time zone,
    extracted_at timestamp with time zone DEFAULT now() NOT NULL,
    loaded_xid xid8 DEFAULT pg_current_xact_id() NOT NULL,
    deleted_at timestamp with time zone
);
ALTER TABLE ONLY raw.github_commits FORCE ROW LEVEL SECURITY;
ALTER TABLE ONLY raw.github_commits ADD CONSTRAINT github_commits_pkey PRIMARY KEY (client_id, integration_id, record_id);
CREATE INDEX github_commits_loaded ON raw.github_commits USING btree (client_id, loaded_xid);
CREATE INDEX github_commits_scope ON raw.github_commits USING btree (client_id, integration_id, scope_key);
ALTER TABLE ONLY raw.github_commits ADD CONSTRAINT github_commits_client_id_integration_id_fkey FOREIGN KEY (client_id, integration_id) REFERENCES core.integrations(client_id, id);
CREATE POLICY etl ON raw.github_commits TO pulse_etl USING ((client_id = ( SELECT core.etl_client_id() AS etl_client_id)));
ALTER TABLE raw.github_commits ENABLE ROW LEVEL SECURITY;
CREATE POLICY owner ON raw.github_commits TO pulse_owner USING ((SESSION_USER = 'pulse_owner'::name));
GRANT SELECT,INSERT,DELETE,MAINTAIN,UPDATE ON TABLE raw.github_commits TO pulse_etl;

-- raw.github_comparisons ----------------------------------------------------------------------------------------------
CREATE TABLE raw.github_comparisons (
    client_id integer NOT NULL,
    integration_id bigint NOT NULL,
    record_id text NOT NULL,
    scope_key text NOT NULL,
    payload jsonb NOT NULL,
    payload_hash text NOT NULL,
    upstream_updated_at timestamp with time zone,
    extracted_at timestamp with time zone DEFAULT now() NOT NULL,
    loaded_xid xid8 DEFAULT pg_current_xact_id() NOT NULL,
    deleted_at timestamp with time zone
);
ALTER TABLE ONLY raw.github_comparisons FORCE ROW LEVEL SECURITY;
ALTER TABLE ONLY raw.github_comparisons ADD CONSTRAINT github_comparisons_pkey PRIMARY KEY (client_id, integration_id, record_id);
CREATE INDEX github_comparisons_loaded ON raw.github_comparisons USING btree (client_id, loaded_xid);
CREATE INDEX github_comparisons_scope ON raw.github_comparisons USING btree (client_id, integration_id, scope_key);
ALTER TABLE ONLY raw.github_comparisons ADD CONSTRAINT github_comparisons_client_id_integration_id_fkey FOREIGN KEY (client_id, integration_id) REFERENCES core.integrations(client_id, id);
CREATE POLICY etl ON raw.github_comparisons TO pulse_etl USING ((client_id = ( SELECT core.etl_client_id() AS etl_client_id)));
ALTER TABLE raw.github_comparisons ENABLE ROW LEVEL SECURITY;
CREATE POLICY owner ON raw.github_comparisons TO pulse_owner USING ((SESSION_USER = 'pulse_owner'::name));
GRANT SELECT,INSERT,DELETE,MAINTAIN,UPDATE ON TABLE raw.github_comparisons TO pulse_etl;

-- raw.github_deployments ----------------------------------------------------------------------------------------------
CREATE TABLE raw.github_deployments (
    client_id integer NOT NULL,
    integration_id bigint NOT NULL,
    record_id text NOT NULL,
    scope_key text NOT NULL,
    payload jsonb NOT NULL,
    payload_hash text NOT NULL,
    upstream_updated_at timestamp with time zone,
    extracted_at timestamp with time zone DEFAULT now() NOT NULL,
    loaded_xid xid8 DEFAULT pg_current_xact_id() NOT NULL,
    deleted_at timestamp with time zone
);
ALTER TABLE ONLY raw.github_deployments FORCE ROW LEVEL SECURITY;
ALTER TABLE ONLY raw.github_deployments ADD CONSTRAINT github_deployments_pkey PRIMARY KEY (client_id, integration_id, record_id);
CREATE INDEX github_deployments_loaded ON raw.github_deployments USING btree (client_id, loaded_xid);
CREATE INDEX github_deployments_open ON raw.github_deployments USING btree (client_id, integration_id, scope_key) WHERE ((deleted_at IS NULL) AND ((payload ->> 'state'::text) = ANY (ARRAY['PENDING'::text, 'QUEUED'::text, 'IN_PROGRESS'::text, 'WAITING'::text])));
CREATE INDEX github_deployments_scope ON raw.github_deployments USING btree (client_id, integration_id, scope_key);
ALTER TABLE ONLY raw.github_deployments ADD CONSTRAINT github_deployments_client_id_integration_id_fkey FOREIGN KEY (client_id, integration_id) REFERENCES core.integrations(client_id, id);
CREATE POLICY etl ON raw.github_deployments TO pulse_etl USING ((client_id = ( SELECT core.etl_client_id() AS etl_client_id)));
ALTER TABLE raw.github_deployments ENABLE ROW LEVEL SECURITY;
CREATE POLICY owner ON raw.github_deployments TO pulse_owner USING ((SESSION_USER = 'pulse_owner'::name));
GRANT SELECT,INSERT,DELETE,MAINTAIN,UPDATE ON TABLE raw.github_deployments TO pulse_etl;

-- raw.github_issues ---------------------------------------------------------------------------------------------------
CREATE TABLE raw.github_issues (
    client_id integer NOT NULL,
    integration_id bigint NOT NULL,
    record_id text NOT NULL,
    scope_key text NOT NULL,
    payload jsonb NOT NULL,
    payload_hash text NOT NULL,
    upstream_updated_at timestamp with time zone,
    extracted_at timestamp with time zone DEFAULT now() NOT NULL,
    loaded_xid xid8 DEFAULT pg_current_xact_id() NOT NULL,
    deleted_at timestamp with time zone
);
ALTER TABLE ONLY raw.github_issues FORCE ROW LEVEL SECURITY;
ALTER TABLE ONLY raw.github_issues ADD CONSTRAINT github_issues_pkey PRIMARY KEY (client_id, integration_id, record_id);
CREATE INDEX github_issues_loaded ON raw.github_issues USING btree (client_id, loaded_xid);
CREATE INDEX github_issues_scope ON raw.github_issues USING btree (client_id, integration_id, scope_key);
ALTER TABLE ONLY raw.github_issues ADD CONSTRAINT github_issues_client_id_integration_id_fkey FOREIGN KEY (client_id, integration_id) REFERENCES core.integrations(client_id, id);
CREATE POLICY etl ON raw.github_issues TO pulse_etl USING ((client_id = ( SELECT core.etl_client_id() AS etl_client_id)));
ALTER TABLE raw.github_issues ENABLE ROW LEVEL SECURITY;
CREATE POLICY owner ON raw.github_issues TO pulse_owner USING ((SESSION_USER = 'pulse_owner'::name));
GRANT SELECT,INSERT,DELETE,MAINTAIN,UPDATE ON TABLE raw.github_issues TO pulse_etl;

-- raw.github_pull_requests --------------------------------------------------------------------------------------------
CREATE TABLE raw.github_pull_requests (
    client_id integer NOT NULL,
    integration_id bigint NOT NULL,
    record_id text NOT NULL,
    scope_key text NOT NULL,
    payload jsonb NOT NULL,
    payload_hash text NOT NULL,
    upstream_updated_at timestamp with time zone,
    extracted_at timestamp with time zone DEFAULT now() NOT NULL,
    loaded_xid xid8 DEFAULT pg_current_xact_id() NOT NULL,
    deleted_at timestamp with time zone
);
ALTER TABLE ONLY raw.github_pull_requests FORCE ROW LEVEL SECURITY;
ALTER TABLE ONLY raw.github_pull_requests ADD CONSTRAINT github_pull_requests_pkey PRIMARY KEY (client_id, integration_id, record_id);
CREATE INDEX github_pull_requests_loaded ON raw.github_pull_requests USING btree (client_id, loaded_xid);
CREATE INDEX github_pull_requests_scope ON raw.github_pull_requests USING btree (client_id, integration_id, scope_key);
ALTER TABLE ONLY raw.github_pull_requests ADD CONSTRAINT github_pull_requests_client_id_integration_id_fkey FOREIGN KEY (client_id, integration_id) REFERENCES core.integrations(client_id, id);
CREATE POLICY etl ON raw.github_pull_requests TO pulse_etl USING ((client_id = ( SELECT core.etl_client_id() AS etl_client_id)));
ALTER TABLE raw.github_pull_requests ENABLE ROW LEVEL SECURITY;
CREATE POLICY owner ON raw.github_pull_requests TO pulse_owner USING ((SESSION_USER = 'pulse_owner'::name));
GRANT SELECT,INSERT,DELETE,MAINTAIN,UPDATE ON TABLE raw.github_pull_requests TO pulse_etl;

-- raw.github_releases -------------------------------------------------------------------------------------------------
CREATE TABLE raw.github_releases (
    client_id integer NOT NULL,
    integration_id bigint NOT NULL,
    record_id text NOT NULL,
    scope_key text NOT NULL,
    payload jsonb NOT NULL,
    payload_hash text NOT NULL,
    upstream_updated_at timestamp with time zone,
    extracted_at timestamp with time zone DEFAULT now() NOT NULL,
    loaded_xid xid8 DEFAULT pg_current_xact_id() NOT NULL,
    deleted_at timestamp with time zone
);
ALTER TABLE ONLY raw.github_releases FORCE ROW LEVEL SECURITY;
ALTER TABLE ONLY raw.github_releases ADD CONSTRAINT github_releases_pkey PRIMARY KEY (client_id, integration_id, record_id);
CREATE INDEX github_releases_loaded ON raw.github_releases USING btree (client_id, loaded_xid);
CREATE INDEX github_releases_scope ON raw.github_releases USING btree (client_id, integration_id, scope_key);
ALTER TABLE ONLY raw.github_releases ADD CONSTRAINT github_releases_client_id_integration_id_fkey FOREIGN KEY (client_id, integration_id) REFERENCES core.integrations(client_id, id);
CREATE POLICY etl ON raw.github_releases TO pulse_etl USING ((client_id = ( SELECT core.etl_client_id() AS etl_client_id)));
ALTER TABLE raw.github_releases ENABLE ROW LEVEL SECURITY;
CREATE POLICY owner ON raw.github_releases TO pulse_owner USING ((SESSION_USER = 'pulse_owner'::name));
GRANT SELECT,INSERT,DELETE,MAINTAIN,UPDATE ON TABLE raw.github_releases TO pulse_etl;

-- raw.github_repositories ---------------------------------------------------------------------------------------------
CREATE TABLE raw.github_repositories (
    client_id integer NOT NULL,
    integration_id bigint NOT NULL,
    record_id text NOT NULL,
    scope_key text NOT NULL,
    payload jsonb NOT NULL,
    payload_hash text NOT NULL,
    upstream_updated_at timestamp with time zone,
    extracted_at timestamp with time zone DEFAULT now() NOT NULL,
    loaded_xid xid8 DEFAULT pg_current_xact_id() NOT NULL,
    deleted_at timestamp with time zone
);
ALTER TABLE ONLY raw.github_repositories FORCE ROW LEVEL SECURITY;
ALTER TABLE ONLY raw.github_repositories ADD CONSTRAINT github_repositories_pkey PRIMARY KEY (client_id, integration_id, record_id);
CREATE INDEX github_repositories_loaded ON raw.github_repositories USING btree (client_id, loaded_xid);
CREATE INDEX github_repositories_scope ON raw.github_repositories USING btree (client_id, integration_id, scope_key);
ALTER TABLE ONLY raw.github_repositories ADD CONSTRAINT github_repositories_client_id_integration_id_fkey FOREIGN KEY (client_id, integration_id) REFERENCES core.integrations(client_id, id);
CREATE POLICY etl ON raw.github_repositories TO pulse_etl USING ((client_id = ( SELECT core.etl_client_id() AS etl_client_id)));
ALTER TABLE raw.github_repositories ENABLE ROW LEVEL SECURITY;
CREATE POLICY owner ON raw.github_repositories TO pulse_owner USING ((SESSION_USER = 'pulse_owner'::name));
GRANT SELECT,INSERT,DELETE,MAINTAIN,UPDATE ON TABLE raw.github_repositories TO pulse_etl;

-- raw.github_tags -----------------------------------------------------------------------------------------------------
CREATE TABLE raw.github_tags (
    client_id integer NOT NULL,
    integration_id bigint NOT NULL,
    record_id text NOT NULL,
    scope_key text NOT NULL,
    payload jsonb NOT NULL,
    payload_hash text NOT NULL,
    upstream_updated_at timestamp with time zone,
    extracted_at timestamp with time zone DEFAULT now() NOT NULL,
    loaded_xid xid8 DEFAULT pg_current_xact_id() NOT NULL,
    deleted_at timestamp with time zone
);
ALTER TABLE ONLY raw.github_tags FORCE ROW LEVEL SECURITY;
ALTER TABLE ONLY raw.github_tags ADD CONSTRAINT github_tags_pkey PRIMARY KEY (client_id, integration_id, record_id);
CREATE INDEX github_tags_loaded ON raw.github_tags USING btree (client_id, loaded_xid);
CREATE INDEX github_tags_scope ON raw.github_tags USING btree (client_id, integration_id, scope_key);
ALTER TABLE ONLY raw.github_tags ADD CONSTRAINT github_tags_client_id_integration_id_fkey FOREIGN KEY (client_id, integration_id) REFERENCES core.integrations(client_id, id);
CREATE POLICY etl ON raw.github_tags TO pulse_etl USING ((client_id = ( SELECT core.etl_client_id() AS etl_client_id)));
ALTER TABLE raw.github_tags ENABLE ROW LEVEL SECURITY;
CREATE POLICY owner ON raw.github_tags TO pulse_owner USING ((SESSION_USER = 'pulse_owner'::name));
GRANT SELECT,INSERT,DELETE,MAINTAIN,UPDATE ON TABLE raw.github_tags TO pulse_etl;

-- raw.github_workflow_jobs --------------------------------------------------------------------------------------------
CREATE TABLE raw.github_workflow_jobs (
    client_id integer NOT NULL,
    integration_id bigint NOT NULL,
    record_id text NOT NULL,
    scope_key text NOT NULL,
    payload jsonb NOT NULL,
    payload_hash text NOT NULL,
    upstream_updated_at timestamp with time zone,
    extracted_at timestamp with time zone DEFAULT now() NOT NULL,
    loaded_xid xid8 DEFAULT pg_current_xact_id() NOT NULL,
    deleted_at timestamp with time zone
);
ALTER TABLE ONLY raw.github_workflow_jobs FORCE ROW LEVEL SECURITY;
ALTER TABLE ONLY raw.github_workflow_jobs ADD CONSTRAINT github_workflow_jobs_pkey PRIMARY KEY (client_id, integration_id, record_id);
CREATE INDEX github_workflow_jobs_loaded ON raw.github_workflow_jobs USING btree (client_id, loaded_xid);
CREATE INDEX github_workflow_jobs_scope ON raw.github_workflow_jobs USING btree (client_id, integration_id, scope_key);
ALTER TABLE ONLY raw.github_workflow_jobs ADD CONSTRAINT github_workflow_jobs_client_id_integration_id_fkey FOREIGN KEY (client_id, integration_id) REFERENCES core.integrations(client_id, id);
CREATE POLICY etl ON raw.github_workflow_jobs TO pulse_etl USING ((client_id = ( SELECT core.etl_client_id() AS etl_client_id)));
ALTER TABLE raw.github_workflow_jobs ENABLE ROW LEVEL SECURITY;
CREATE POLICY owner ON raw.github_workflow_jobs TO pulse_owner USING ((SESSION_USER = 'pulse_owner'::name));
GRANT SELECT,INSERT,DELETE,MAINTAIN,UPDATE ON TABLE raw.github_workflow_jobs TO pulse_etl;

-- raw.github_workflow_runs --------------------------------------------------------------------------------------------
CREATE TABLE raw.github_workflow_runs (
    client_id integer NOT NULL,
    integration_id bigint NOT NULL,
    record_id text NOT NULL,
    scope_key text NOT NULL,
    payload jsonb NOT NULL,
    payload_hash text NOT NULL,
    upstream_updated_at timestamp with time zone,
    extracted_at timestamp with time zone DEFAULT now() NOT NULL,
    loaded_xid xid8 DEFAULT pg_current_xact_id() NOT NULL,
    deleted_at timestamp with time zone
);
ALTER TABLE ONLY raw.github_workflow_runs FORCE ROW LEVEL SECURITY;
ALTER TABLE ONLY raw.github_workflow_runs ADD CONSTRAINT github_workflow_runs_pkey PRIMARY KEY (client_id, integration_id, record_id);
CREATE INDEX github_workflow_runs_loaded ON raw.github_workflow_runs USING btree (client_id, loaded_xid);
CREATE INDEX github_workflow_runs_open ON raw.github_workflow_runs USING btree (client_id, integration_id, scope_key) WHERE ((deleted_at IS NULL) AND ((payload ->> 'status'::text) <> 'completed'::text));
CREATE INDEX github_workflow_runs_repeated ON raw.github_workflow_runs USING btree (client_id, integration_id, scope_key) WHERE ((deleted_at IS NULL) AND ((payload ->> 'run_attempt'::text) <> '1'::text));
CREATE INDEX github_workflow_runs_scope ON raw.github_workflow_runs USING btree (client_id, integration_id, scope_key);
ALTER TABLE ONLY raw.github_workflow_runs ADD CONSTRAINT github_workflow_runs_client_id_integration_id_fkey FOREIGN KEY (client_id, integration_id) REFERENCES core.integrations(client_id, id);
CREATE POLICY etl ON raw.github_workflow_runs TO pulse_etl USING ((client_id = ( SELECT core.etl_client_id() AS etl_client_id)));
ALTER TABLE raw.github_workflow_runs ENABLE ROW LEVEL SECURITY;
CREATE POLICY owner ON raw.github_workflow_runs TO pulse_owner USING ((SESSION_USER = 'pulse_owner'::name));
GRANT SELECT,INSERT,DELETE,MAINTAIN,UPDATE ON TABLE raw.github_workflow_runs TO pulse_etl;

-- raw.http_json_records -----------------------------------------------------------------------------------------------
CREATE TABLE raw.http_json_records (
    client_id integer NOT NULL,
    integration_id bigint NOT NULL,
    record_id text NOT NULL,
    scope_key text NOT NULL,
    payload jsonb NOT NULL,
    payload_hash text NOT NULL,
    upstream_updated_at timestamp with time zone,
    extracted_at timestamp with time zone DEFAULT now() NOT NULL,
    loaded_xid xid8 DEFAULT pg_current_xact_id() NOT NULL,
    deleted_at timestamp with time zone
);
ALTER TABLE ONLY raw.http_json_records FORCE ROW LEVEL SECURITY;
ALTER TABLE ONLY raw.http_json_records ADD CONSTRAINT http_json_records_pkey PRIMARY KEY (client_id, integration_id, record_id);
CREATE INDEX http_json_records_loaded ON raw.http_json_records USING btree (client_id, loaded_xid);
CREATE INDEX http_json_records_scope ON raw.http_json_records USING btree (client_id, integration_id, scope_key);
ALTER TABLE ONLY raw.http_json_records ADD CONSTRAINT http_json_records_client_id_integration_id_fkey FOREIGN KEY (client_id, integration_id) REFERENCES core.integrations(client_id, id);
CREATE POLICY etl ON raw.http_json_records TO pulse_etl USING ((client_id = ( SELECT core.etl_client_id() AS etl_client_id)));
ALTER TABLE raw.http_json_records ENABLE ROW LEVEL SECURITY;
CREATE POLICY ingest ON raw.http_json_records TO pulse_ingest USING (((client_id, integration_id) = ( SELECT s.client_id,
    s.integration_id
   FROM core.ingest_source() s(client_id, integration_id, slug, integration_type, name, config_data))));
CREATE POLICY owner ON raw.http_json_records TO pulse_owner USING ((SESSION_USER = 'pulse_owner'::name));
GRANT SELECT,INSERT,DELETE,MAINTAIN,UPDATE ON TABLE raw.http_json_records TO pulse_etl;
GRANT SELECT,INSERT,UPDATE ON TABLE raw.http_json_records TO pulse_ingest;

-- raw.jira_boards -----------------------------------------------------------------------------------------------------
CREATE TABLE raw.jira_boards (
    client_id integer NOT NULL,
    integration_id bigint NOT NULL,
    record_id text NOT NULL,
    scope_key text NOT NULL,
    payload jsonb NOT NULL,
    payload_hash text NOT NULL,
    upstream_updated_at timestamp with time zone,
    extracted_at timestamp with time zone DEFAULT now() NOT NULL,
    loaded_xid xid8 DEFAULT pg_current_xact_id() NOT NULL,
    deleted_at timestamp with time zone
);
ALTER TABLE ONLY raw.jira_boards FORCE ROW LEVEL SECURITY;
ALTER TABLE ONLY raw.jira_boards ADD CONSTRAINT jira_boards_pkey PRIMARY KEY (client_id, integration_id, record_id);
CREATE INDEX jira_boards_loaded ON raw.jira_boards USING btree (client_id, loaded_xid);
CREATE INDEX jira_boards_scope ON raw.jira_boards USING btree (client_id, integration_id, scope_key);
ALTER TABLE ONLY raw.jira_boards ADD CONSTRAINT jira_boards_client_id_integration_id_fkey FOREIGN KEY (client_id, integration_id) REFERENCES core.integrations(client_id, id);
CREATE POLICY etl ON raw.jira_boards TO pulse_etl USING ((client_id = ( SELECT core.etl_client_id() AS etl_client_id)));
ALTER TABLE raw.jira_boards ENABLE ROW LEVEL SECURITY;
CREATE POLICY owner ON raw.jira_boards TO pulse_owner USING ((SESSION_USER = 'pulse_owner'::name));
GRANT SELECT,INSERT,DELETE,MAINTAIN,UPDATE ON TABLE raw.jira_boards TO pulse_etl;

-- raw.jira_changelogs -------------------------------------------------------------------------------------------------
CREATE TABLE raw.jira_changelogs (
    client_id integer NOT NULL,
    integration_id bigint NOT NULL,
    record_id text NOT NULL,
    scope_key text NOT NULL,
    payload jsonb NOT NULL,
    payload_hash text NOT NULL,
    upstream_updated_at timestamp with time zone,
    extracted_at timestamp with time zone DEFAULT now() NOT NULL,
    loaded_xid xid8 DEFAULT pg_current_xact_id() NOT NULL,
    deleted_at timestamp with time zone
);
ALTER TABLE ONLY raw.jira_changelogs FORCE ROW LEVEL SECURITY;
ALTER TABLE ONLY raw.jira_changelogs ADD CONSTRAINT jira_changelogs_pkey PRIMARY KEY (client_id, integration_id, record_id);
CREATE INDEX jira_changelogs_loaded ON raw.jira_changelogs USING btree (client_id, loaded_xid);
CREATE INDEX jira_changelogs_scope ON raw.jira_changelogs USING btree (client_id, integration_id, scope_key);
ALTER TABLE ONLY raw.jira_changelogs ADD CONSTRAINT jira_changelogs_client_id_integration_id_fkey FOREIGN KEY (client_id, integration_id) REFERENCES core.integrations(client_id, id);
CREATE POLICY etl ON raw.jira_changelogs TO pulse_etl USING ((client_id = ( SELECT core.etl_client_id() AS etl_client_id)));
ALTER TABLE raw.jira_changelogs ENABLE ROW LEVEL SECURITY;
CREATE POLICY owner ON raw.jira_changelogs TO pulse_owner USING ((SESSION_USER = 'pulse_owner'::name));
GRANT SELECT,INSERT,DELETE,MAINTAIN,UPDATE ON TABLE raw.jira_changelogs TO pulse_etl;

-- raw.jira_issues -----------------------------------------------------------------------------------------------------
CREATE TABLE raw.jira_issues (
    client_id integer NOT NULL,
    integration_id bigint NOT NULL,
    record_id text NOT NULL,
    scope_key text NOT NULL,
    payload jsonb NOT NULL,
    payload_hash text NOT NULL,
    upstream_updated_at timestamp with time zone,
    extracted_at timestamp with time zone DEFAULT now() NOT NULL,
    loaded_xid xid8 DEFAULT pg_current_xact_id() NOT NULL,
    deleted_at timestamp with time zone
);
ALTER TABLE ONLY raw.jira_issues FORCE ROW LEVEL SECURITY;
ALTER TABLE ONLY raw.jira_issues ADD CONSTRAINT jira_issues_pkey PRIMARY KEY (client_id, integration_id, record_id);
CREATE INDEX jira_issues_loaded ON raw.jira_issues USING btree (client_id, loaded_xid);
CREATE INDEX jira_issues_scope ON raw.jira_issues USING btree (client_id, integration_id, scope_key);
ALTER TABLE ONLY raw.jira_issues ADD CONSTRAINT jira_issues_client_id_integration_id_fkey FOREIGN KEY (client_id, integration_id) REFERENCES core.integrations(client_id, id);
CREATE POLICY etl ON raw.jira_issues TO pulse_etl USING ((client_id = ( SELECT core.etl_client_id() AS etl_client_id)));
ALTER TABLE raw.jira_issues ENABLE ROW LEVEL SECURITY;
CREATE POLICY owner ON raw.jira_issues TO pulse_owner USING ((SESSION_USER = 'pulse_owner'::name));
GRANT SELECT,INSERT,DELETE,MAINTAIN,UPDATE ON TABLE raw.jira_issues TO pulse_etl;

-- raw.jira_projects ---------------------------------------------------------------------------------------------------
CREATE TABLE raw.jira_projects (
    client_id integer NOT NULL,
    integration_id bigint NOT NULL,
    record_id text NOT NULL,
    scope_key text NOT NULL,
    payload jsonb NOT NULL,
    payload_hash text NOT NULL,
    upstream_updated_at timestamp with time zone,
    extracted_at timestamp with time zone DEFAULT now() NOT NULL,
    loaded_xid xid8 DEFAULT pg_current_xact_id() NOT NULL,
    deleted_at timestamp with time zone
);
ALTER TABLE ONLY raw.jira_projects FORCE ROW LEVEL SECURITY;
ALTER TABLE ONLY raw.jira_projects ADD CONSTRAINT jira_projects_pkey PRIMARY KEY (client_id, integration_id, record_id);
CREATE INDEX jira_projects_loaded ON raw.jira_projects USING btree (client_id, loaded_xid);
CREATE INDEX jira_projects_scope ON raw.jira_projects USING btree (client_id, integration_id, scope_key);
ALTER TABLE ONLY raw.jira_projects ADD CONSTRAINT jira_projects_client_id_integration_id_fkey FOREIGN KEY (client_id, integration_id) REFERENCES core.integrations(client_id, id);
CREATE POLICY etl ON raw.jira_projects TO pulse_etl USING ((client_id = ( SELECT core.etl_client_id() AS etl_client_id)));
ALTER TABLE raw.jira_projects ENABLE ROW LEVEL SECURITY;
CREATE POLICY owner ON raw.jira_projects TO pulse_owner USING ((SESSION_USER = 'pulse_owner'::name));
GRANT SELECT,INSERT,DELETE,MAINTAIN,UPDATE ON TABLE raw.jira_projects TO pulse_etl;

-- raw.jira_sprints ----------------------------------------------------------------------------------------------------
CREATE TABLE raw.jira_sprints (
    client_id integer NOT NULL,
    integration_id bigint NOT NULL,
    record_id text NOT NULL,
    scope_key text NOT NULL,
    payload jsonb NOT NULL,
    payload_hash text NOT NULL,
    upstream_updated_at timestamp with time zone,
    extracted_at timestamp with time zone DEFAULT now() NOT NULL,
    loaded_xid xid8 DEFAULT pg_current_xact_id() NOT NULL,
    deleted_at timestamp with time zone
);
ALTER TABLE ONLY raw.jira_sprints FORCE ROW LEVEL SECURITY;
ALTER TABLE ONLY raw.jira_sprints ADD CONSTRAINT jira_sprints_pkey PRIMARY KEY (client_id, integration_id, record_id);
CREATE INDEX jira_sprints_loaded ON raw.jira_sprints USING btree (client_id, loaded_xid);
CREATE INDEX jira_sprints_scope ON raw.jira_sprints USING btree (client_id, integration_id, scope_key);
ALTER TABLE ONLY raw.jira_sprints ADD CONSTRAINT jira_sprints_client_id_integration_id_fkey FOREIGN KEY (client_id, integration_id) REFERENCES core.integrations(client_id, id);
CREATE POLICY etl ON raw.jira_sprints TO pulse_etl USING ((client_id = ( SELECT core.etl_client_id() AS etl_client_id)));
ALTER TABLE raw.jira_sprints ENABLE ROW LEVEL SECURITY;
CREATE POLICY owner ON raw.jira_sprints TO pulse_owner USING ((SESSION_USER = 'pulse_owner'::name));
GRANT SELECT,INSERT,DELETE,MAINTAIN,UPDATE ON TABLE raw.jira_sprints TO pulse_etl;

-- raw.jira_statuses ---------------------------------------------------------------------------------------------------
CREATE TABLE raw.jira_statuses (
    client_id integer NOT NULL,
    integration_id bigint NOT NULL,
    record_id text NOT NULL,
    scope_key text NOT NULL,
    payload jsonb NOT NULL,
    payload_hash text NOT NULL,
    upstream_updated_at timestamp with time zone,
    extracted_at timestamp with time zone DEFAULT now() NOT NULL,
    loaded_xid xid8 DEFAULT pg_current_xact_id() NOT NULL,
    deleted_at timestamp with time zone
);
ALTER TABLE ONLY raw.jira_statuses FORCE ROW LEVEL SECURITY;
ALTER TABLE ONLY raw.jira_statuses ADD CONSTRAINT jira_statuses_pkey PRIMARY KEY (client_id, integration_id, record_id);
CREATE INDEX jira_statuses_loaded ON raw.jira_statuses USING btree (client_id, loaded_xid);
CREATE INDEX jira_statuses_scope ON raw.jira_statuses USING btree (client_id, integration_id, scope_key);
ALTER TABLE ONLY raw.jira_statuses ADD CONSTRAINT jira_statuses_client_id_integration_id_fkey FOREIGN KEY (client_id, integration_id) REFERENCES core.integrations(client_id, id);
CREATE POLICY etl ON raw.jira_statuses TO pulse_etl USING ((client_id = ( SELECT core.etl_client_id() AS etl_client_id)));
ALTER TABLE raw.jira_statuses ENABLE ROW LEVEL SECURITY;
CREATE POLICY owner ON raw.jira_statuses TO pulse_owner USING ((SESSION_USER = 'pulse_owner'::name));
GRANT SELECT,INSERT,DELETE,MAINTAIN,UPDATE ON TABLE raw.jira_statuses TO pulse_etl;

-- raw.rejects ---------------------------------------------------------------------------------------------------------
CREATE TABLE raw.rejects (
    client_id integer NOT NULL,
    id bigint NOT NULL,
    integration_id bigint NOT NULL,
    entity text NOT NULL,
    record_id text,
    scope_key text DEFAULT ''::text NOT NULL,
    payload text NOT NULL,
    reason text NOT NULL,
    rejected_at timestamp with time zone DEFAULT now() NOT NULL,
    replayed_at timestamp with time zone,
    is_stored_form boolean DEFAULT false NOT NULL
);
ALTER TABLE ONLY raw.rejects FORCE ROW LEVEL SECURITY;
COMMENT ON COLUMN raw.rejects.is_stored_form IS 'Whether the payload is the form in which raw tables hold it: the record was stored, and normalise could not type it.';
ALTER TABLE raw.rejects ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME raw.rejects_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);
ALTER TABLE ONLY raw.rejects ADD CONSTRAINT rejects_pkey PRIMARY KEY (client_id, id);
CREATE INDEX rejects_open ON raw.rejects USING btree (client_id, integration_id) WHERE (replayed_at IS NULL);
ALTER TABLE ONLY raw.rejects ADD CONSTRAINT rejects_client_id_integration_id_fkey FOREIGN KEY (client_id, integration_id) REFERENCES core.integrations(client_id, id);
CREATE POLICY etl ON raw.rejects TO pulse_etl USING ((client_id = ( SELECT core.etl_client_id() AS etl_client_id)));
CREATE POLICY ingest ON raw.rejects TO pulse_ingest USING (((client_id, integration_id) = ( SELECT s.client_id,
    s.integration_id
   FROM core.ingest_source() s(client_id, integration_id, slug, integration_type, name, config_data))));
CREATE POLICY owner ON raw.rejects TO pulse_owner USING ((SESSION_USER = 'pulse_owner'::name));
ALTER TABLE raw.rejects ENABLE ROW LEVEL SECURITY;
GRANT SELECT,INSERT,DELETE,MAINTAIN,UPDATE ON TABLE raw.rejects TO pulse_etl;
GRANT SELECT,INSERT ON TABLE raw.rejects TO pulse_ingest;
GRANT UPDATE(replayed_at) ON TABLE raw.rejects TO pulse_ingest;
