-- The report "signals": the brief, when a number gives a signal or a target is reached or missed.
alter table core.users
    drop constraint users_reports_check,
    add constraint users_reports_check check (reports <@ array['weekly', 'monthly', 'signals']);
comment on column core.users.reports is
    'The reports that the person is to get by mail: weekly, monthly, and signals (when a number moves by more than chance, or a '
    'target is reached or missed).';
alter table core.reports_stopped
    drop constraint reports_stopped_report_check,
    add constraint reports_stopped_report_check check (report in ('weekly', 'monthly', 'signals'));
alter table core.reports_sent
    add column about text not null default '',
    drop constraint reports_sent_report_check,
    add constraint reports_sent_report_check check (report in ('weekly', 'monthly', 'signals')),
    drop constraint reports_sent_pkey,
    add primary key (client_id, user_id, report, period_start, about);
comment on column core.reports_sent.about is
    'Of signals, the event that was told: a metric and what happened; period_start is its day.';
