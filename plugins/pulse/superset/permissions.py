"""What a client's user and staff may do in Superset: the smallest sets of permissions with which the dashboards work.

Left out on purpose: explore, SQL Lab, samples, and every write permission except saving the state of one's own filters. A
download (can_csv) is a chart's own query, with the same row rule and bounds.
"""

from __future__ import annotations

VIEWER: frozenset[tuple[str, str]] = frozenset(
    {
        ("can_csv", "Superset"),
        ("can_read", "Chart"),
        ("can_read", "Dashboard"),
        ("can_read", "DashboardFilterStateRestApi"),
        ("can_write", "DashboardFilterStateRestApi"),
        ("can_read", "DashboardPermalinkRestApi"),
        ("can_write", "DashboardPermalinkRestApi"),
        ("can_read", "Dataset"),
        ("can_read", "CurrentUserRestApi"),
        ("can_read", "SecurityRestApi"),  # the CSRF token, for scripts
        ("can_dashboard", "Superset"),
        ("can_dashboard_permalink", "Superset"),
        ("can_log", "Superset"),
        ("can_time_range", "Api"),
    }
)

STAFF: frozenset[tuple[str, str]] = VIEWER | {
    ("can_get", "Datasource"),
    ("can_read", "Database"),
    ("menu_access", "Dashboards"),
    ("menu_access", "Home"),
    ("can_recent_activity", "Log"),
}
