alter table core.users alter column theme_mode drop not null, alter column theme_mode drop default;
comment on column core.users.theme_mode is 'Light or dark mode, as the Variable says for this person; null: as the client''s brand.theme_mode.';
-- Nobody had chosen it; sync_clients writes what the Variables say.
update core.users set theme_mode = null where theme_mode = 'system';
