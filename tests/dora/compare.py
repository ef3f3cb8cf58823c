"""Compares the SQL's results for a world with the reference's."""

from __future__ import annotations

import math
from typing import Any

from tests.dora import drivers
from tests.dora.loading import Loaded
from tests.dora.model import Result
from tests.dora.reference import compute

Facts = dict[str, dict[Any, dict[str, Any]]]

COLUMNS = {
    "changes": (
        "service_id",
        "number",
        "title",
        "url",
        "head_branch",
        "is_bot",
        "is_revert",
        "reverts_change_id",
        "is_hotfix",
        "first_commit_at",
        "opened_at",
        "first_review_at",
        "approved_at",
        "merged_at",
        "merged_on",
        "merge_commit_sha",
        "merge_position",
        "changes_requested_count",
        "reopened_count",
        "is_reviewed",
        "merged_into",
        "carried_by",
        "carries_others",
        "assisted_by",
        "ai",
    ),
    "deployments": (
        "service_id",
        "environment",
        "environment_tier",
        "result",
        "sha",
        "position",
        "ref_name",
        "url",
        "created_at",
        "finished_at",
        "finished_on",
        "is_baseline",
        "is_rollback",
        "rolled_back_by",
        "contains_after",
        "contains_to",
        "branch_commits",
        "failed_change",
        "is_rework",
        "version",
        "kind",
        "is_trial",
        "release_id",
        "counts",
        "is_guess",
        "recovered_at",
        "recovered_on",
        "recovery_hours",
        "recovery_calendar_hours",
    ),
    "deployment_changes": (
        "deployment_id",
        "service_id",
        "deployed_on",
        "lead_time_hours",
        "calendar_hours",
        "coding_hours",
        "pickup_hours",
        "review_hours",
        "merge_to_deploy_hours",
        "exclusion_reason",
    ),
    "incidents": (
        "key",
        "service_id",
        "created_at",
        "resolved_at",
        "resolved_on",
        "time_to_restore_hours",
        "calendar_hours",
        "is_external",
    ),
    "incident_deployments": ("deployment_id", "method", "confidence", "recovery_hours"),
    "dora_metrics": (
        "period_start",
        "period_end",
        "is_partial",
        "metric_value",
        "p50",
        "p75",
        "p90",
        "numerator",
        "denominator",
        "sample_size",
        "null_reason",
        "calendar_value",
        "guessed",
        "tier",
        "tier_spread",
    ),
}
KEYS = {
    "changes": ("id",),
    "deployments": ("id",),
    "deployment_changes": ("change_id",),
    "incidents": ("id",),
    "incident_deployments": ("incident_id",),
    "dora_metrics": ("metric_type", "grain", "scope_type", "scope_id", "calculation_date"),
}
SETS = {
    "change_references": "select change_id, issue_key from core.change_references",
    "rework_evidence": "select deployment_id, rule, evidence_id from core.rework_evidence",
}


def facts_of(loaded: Loaded) -> Facts:
    """The contents of the tables, by table and key."""
    found: Facts = {}
    for table, columns in COLUMNS.items():
        key = KEYS[table]
        where = " where scope_type <> 'repository' and family <> 'work'" if table == "dora_metrics" else ""
        rows = loaded.read(f"select {', '.join((*key, *columns))} from core.{table}{where}")
        found[table] = {
            row[: len(key)] if len(key) > 1 else row[0]: dict(zip(columns, row[len(key) :], strict=True))
            for row in rows
        }
    for name, query in SETS.items():
        found[name] = {row: {} for row in loaded.read(query)}
    return found


def facts_expected(result: Result) -> Facts:
    """The reference's result in the same form."""
    parts = {
        "changes": result.changes,
        "deployments": result.deployments,
        "deployment_changes": result.deployed,
        "incidents": result.incidents,
        "incident_deployments": result.causes,
        "dora_metrics": result.metrics,
    }
    found: Facts = {
        table: {key: {c: getattr(fact, c) for c in COLUMNS[table]} for key, fact in part.items()}  # type: ignore[attr-defined]
        for table, part in parts.items()
    }
    for key, row in result.metrics.items():
        found["dora_metrics"][key]["is_certain"] = row.is_certain
    found["change_references"] = {(c.id, key): {} for c in result.changes.values() for key in c.names}
    found["rework_evidence"] = {(d.id, *reason): {} for d in result.deployments.values() for reason in d.rework}
    return found


def same(left: Any, right: Any) -> bool:
    """Equality; floats within 1e-6."""
    if isinstance(left, float) or isinstance(right, float):
        if left is None or right is None:
            return left is right
        return math.isclose(float(left), float(right), rel_tol=1e-9, abs_tol=1e-6)
    return bool(left == right)


def compared(table: str, key: Any, column: str, expected: dict[str, Any]) -> bool:
    """Whether docs/metrics.md defines a column's value in such a row."""
    if table == "deployments" and column == "contains_after":
        return bool(expected["environment_tier"] == "production" and expected["result"] == "success")
    if table == "deployment_changes" and column in ("lead_time_hours", "calendar_hours"):
        return bool(expected["exclusion_reason"] != "bot")
    if table == "dora_metrics":
        return (column, expected[column]) != ("is_partial", None) and column not in UNSAID.get(key[0], ())
    return True


# A mean has no percentiles, and a number of days or a median has no defined numerator and denominator.
UNSAID = {
    "deployment_frequency": ("denominator",),
    "redeployments": ("denominator",),
    "rollbacks": ("denominator",),
    "rework_cycles": ("numerator", "denominator", "p50", "p75", "p90"),
}


def disagreements(loaded: Loaded) -> list[str]:
    """Every row and column in which SQL and reference differ, as readable text."""
    result = compute(loaded.world)
    expected, found = facts_expected(result), facts_of(loaded)
    lines = drivers.differences(loaded, result)
    for table, rows in expected.items():
        lines += [
            f"{table}: SQL lacks {key}: {row}"
            for key, row in rows.items()
            if key not in found[table] and row.pop("is_certain", True)
        ]
        lines += [f"{table}: SQL adds {key}: {found[table][key]}" for key in found[table] if key not in rows]
        for key in rows.keys() & found[table].keys():
            for column, value in rows[key].items():
                if (
                    column in COLUMNS[table]
                    and compared(table, key, column, rows[key])
                    and not same(found[table][key][column], value)
                ):
                    lines.append(f"{table} {key} {column}: SQL {found[table][key][column]!r}, reference {value!r}")
    return lines


HANGS_ON = (
    ("change_references", "change_id", "changes"),
    ("deployment_changes", "change_id", "changes"),
    ("deployment_changes", "deployment_id", "deployments"),
    ("rework_evidence", "deployment_id", "deployments"),
    ("incident_references", "incident_id", "incidents"),
    ("incident_deployments", "incident_id", "incidents"),
    ("incident_deployments", "deployment_id", "deployments"),
    ("changes", "service_id", "services"),
    ("deployments", "service_id", "services"),
    ("incidents", "service_id", "services"),
)


def dangling(loaded: Loaded) -> list[str]:
    """Rows that refer to a missing row. No foreign key prevents them: the stage itself deletes what refers to a deleted row."""
    found = []
    for table, column, parent in HANGS_ON:
        rows = loaded.read(
            f"select t.{column} from core.{table} t where t.{column} is not null"
            f" and not exists (select from core.{parent} p where (p.client_id, p.id) = (t.client_id, t.{column}))"
        )
        found += [f"{table}.{column}: {row[0]}" for row in rows]
    return found
