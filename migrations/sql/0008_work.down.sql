drop view report.work_sprint_items, report.work_sprints, report.work_time_in_status, report.work_items, report.work_metrics;
drop table core.work_time_in_status, core.work_metrics, core.work_scopes, core.work_state, core.work_sprint_items,
    core.work_sprints, core.work_status_times, core.work_items;
