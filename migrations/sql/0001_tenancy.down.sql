drop table core.transform_watermarks, core.etl_checkpoints, core.etl_runs, core.integrations, core.system_settings,
    core.user_sessions, core.users, core.clients;
drop schema report;
drop schema core;
drop schema raw;
