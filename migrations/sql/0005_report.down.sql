do $$
begin
    if current_setting('server_version_num')::integer >= 170000 then
        execute 'revoke maintain on all tables in schema raw, core from pulse_etl';
    end if;
end $$;
drop policy admin on core.etl_runs;
revoke select (client_id, state, started_at) on core.etl_runs from pulse_admin;
drop view report.benchmarks, report.freshness, report.trust_panel, report.lead_time_stages, report.kpi_current,
    report.metric_series, report.evidence_deployments, report.evidence_incidents, report.evidence_changes,
    core.incident_evidence, core.change_evidence;
drop table core.benchmarks, core.metric_catalogue;
drop function core.display_text(text, double precision), core.hours_between(timestamptz, timestamptz),
    core.dora_tier(text, double precision);
