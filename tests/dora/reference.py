"""docs/metrics.md in plain Python, slow and independent of the SQL: `compute` returns every fact and number of a world."""

from __future__ import annotations

from tests.dora.changes import changes_of
from tests.dora.deliveries import deployed_changes
from tests.dora.deployments import deployments_of, environments_of, mark_failures, mark_order, mark_releases
from tests.dora.incidents import find_causes, incidents_of
from tests.dora.metrics import compute_metrics
from tests.dora.model import ChangeFact, DeploymentFact, IncidentFact, Result, World


def compute(world: World) -> Result:
    """Facts first, then their order and links, then what follows from the links, then the numbers."""
    changes = changes_of(world)
    deployments = deployments_of(world)
    mark_order(world, deployments)
    mark_releases(world, deployments)
    deployed = deployed_changes(world, changes, deployments)
    incidents = incidents_of(world)
    causes = find_causes(world, changes, deployments, deployed, incidents)
    mark_failures(world, deployments, incidents, causes)
    mark_rework(changes, deployments, {i.key: i for i in incidents.values()})
    result = Result(changes, deployments, deployed, incidents, causes)
    result.metrics = compute_metrics(world, result)
    return result


def mark_rework(
    changes: dict[str, ChangeFact], deployments: dict[str, DeploymentFact], incidents: dict[str, IncidentFact]
) -> None:
    """ "A production deployment is rework if it is a rollback, or if it delivers a hotfix, a revert, or a change that names an
    incident created before the deployment finished. Each reason is a row of `core.rework_evidence`"."""
    for deployment in deployments.values():
        if deployment.is_rollback:
            deployment.rework.add(("rollback", undone_by(deployment, deployments).id))
        for change in (changes[change_id] for change_id in deployment.contains):
            if change.is_hotfix:
                deployment.rework.add(("hotfix", change.id))
            if change.is_revert:
                deployment.rework.add(("revert", change.id))
            for key in change.names & incidents.keys():
                incident = incidents[key]
                if incident.created_at < deployment.finished_at:
                    deployment.rework.add(("incident", incident.id))
    for deployment in deployments.values():
        parts = [d for d in deployments.values() if d is deployment or d.release_id == deployment.id]
        deployment.is_rework = any(d.rework for d in parts)


def undone_by(rollback: DeploymentFact, deployments: dict[str, DeploymentFact]) -> DeploymentFact:
    """The predecessor of a rollback."""
    for order in environments_of(deployments, rollback.service_id):
        if rollback in order:
            return order[order.index(rollback) - 1]
    raise AssertionError(rollback.id)
