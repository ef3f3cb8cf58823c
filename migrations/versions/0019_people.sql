-- Whether people are named: the setting privacy.people decides, in every view of report that shows a person.

create function core.shown_person(client integer, person text) returns text
    language sql stable parallel safe
    -- A pseudonym is the same for a person everywhere at one client. Its key is not in any view.
    return (
        select case s.setting_value #>> '{}'
                   when 'names' then person
                   when 'pseudonyms' then
                       'person ' || left(md5(person || ' ' || c.id || ' ' || extract(epoch from c.created_at)), 6) end
        from core.system_settings s
        join core.clients c on c.id = s.client_id
        where s.client_id = client and s.setting_key = 'privacy.people');
comment on function core.shown_person(integer, text) is
    'A login as the client wants it shown: nothing (the default), a pseudonym or the login itself.';
revoke execute on function core.shown_person(integer, text) from public;
grant execute on function core.shown_person(integer, text) to pulse_staff, pulse_reader;
