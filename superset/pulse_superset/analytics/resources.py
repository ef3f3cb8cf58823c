"""What the analytics API offers: a resource is a view of schema `report`, in an order that has no ties."""

from __future__ import annotations

from dataclasses import dataclass

ROOT = "/api/v1/pulse/"
DOCUMENT = f"{ROOT}openapi.json"
PAGE = f"{ROOT}docs/"
ROWS = f"{ROOT}<resource>"


@dataclass(frozen=True)
class Resource:
    """One resource.

    `key` identifies a row of a client; rows come in its order, the largest first. `time` is the column of `since` and `until`.
    """

    name: str
    view: str
    key: tuple[str, ...]
    description: str
    time: str | None = None


RESOURCES = {
    one.name: one
    for one in (
        Resource(
            "metrics",
            "kpi_by_scope",
            ("metric_type", "scope_type", "scope_id"),
            "The numbers of the last 30 days, for the company, each service, team and repository.",
        ),
        Resource(
            "series",
            "metric_series",
            ("period_at", "metric_type", "grain", "scope_type", "scope_id"),
            "Every published number: metric, grain, scope and period.",
            "period_at",
        ),
        Resource(
            "drivers",
            "metric_drivers",
            ("metric_type", "comparison", "service_id", "effect"),
            "What moved a number: the parts of its difference, by service and stage. They add up.",
        ),
        Resource(
            "signals",
            "metric_signals",
            ("level_from", "metric_type", "scope_type", "scope_id"),
            "The levels of each number over the weeks, with the limits of chance and the shifts that began them.",
            "level_from",
        ),
        Resource(
            "deployments",
            "evidence_deployments",
            ("finished_at", "deployment_id"),
            "Completed deployments, and what each counts for.",
            "finished_at",
        ),
        Resource(
            "changes",
            "evidence_changes",
            ("merged_at", "change_id"),
            "Merged changes, with the deployment that brought each to production.",
            "merged_at",
        ),
        Resource(
            "incidents",
            "evidence_incidents",
            ("created_at", "incident_id"),
            "Incidents, with the deployment that caused each, and how that is known.",
            "created_at",
        ),
        Resource(
            "work-items", "work_items", ("created_at", "work_item_id"), "Items of the issue tracker.", "created_at"
        ),
        Resource(
            "restatements",
            "restatements",
            ("restated_at", "metric_type", "grain", "scope_type", "scope_id", "calculation_date"),
            "Published numbers of ended periods that have changed, and why.",
            "restated_at",
        ),
    )
}
