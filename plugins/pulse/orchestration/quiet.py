"""A run in which nothing is new ends with the discovery that finds it out, because each further task is a process of its own."""

from __future__ import annotations

import logging
from contextlib import closing

from airflow.sdk import get_current_context

from pulse.clients.settings import DEFINITION
from pulse.orchestration.names import COMPUTE, NORMALISE
from pulse.orchestration.specs import ClientDagSpec
from pulse.orchestration.tasks import has_news, run_transforms
from pulse.warehouse.connect import connect, fetch_for_client

log = logging.getLogger(__name__)

# No source of the run found anything to read, the dashboards show what there is, and the numbers are those of today. A source
# whose discovery is still running, or has failed, does not count as quiet. The last discovery to end sees all the others.
_SEEMS_QUIET = """
    with latest as (
        select distinct on (integration_id) state = 'success' and steps_all = 0 as found_nothing
        from core.etl_runs
        where client_id = %(client)s and dag_run_id = %(run)s and integration_id = any (%(sources)s) and scope_key = ''
        order by integration_id, id desc
    )
    select (select count(*) filter (where found_nothing) from latest) = cardinality(%(sources)s)
       and exists (select from core.data_versions where client_id = %(client)s and version = published)
       and exists (
           select from core.dora_state s
           join core.clients c on c.id = s.client_id
           where s.client_id = %(client)s and s.computed_through = (now() at time zone c.time_zone)::date
             and split_part(s.definition_version, ':', 1) = %(definition)s)
"""


def ends_here(spec: ClientDagSpec) -> bool:
    """Whether nothing is left to do in this DAG run, for the discovery of a source that has found nothing.

    Runs the stages: they know what a tool has pushed, or an earlier run has left. As soon as something is new, the tasks of
    the run do the rest. They also meet, and tell, any error again.
    """
    context = get_current_context()
    if context["params"].get("recompute"):
        return False
    asked = {
        "client": spec.client_id,
        "run": str(context["dag_run"].run_id),
        "sources": [one.id for one in spec.integrations],
        "definition": DEFINITION,
    }
    with closing(connect("pulse_etl")) as conn:
        if fetch_for_client(conn, spec.client_id, _SEEMS_QUIET, asked) != [(True,)]:
            return False
    try:
        run_transforms(spec, NORMALISE, "normalise")
        if has_news(spec.client_id):
            return False
        run_transforms(spec, COMPUTE, "dora")
    except Exception:
        log.exception("client %s: a stage failed; its own task runs it again", spec.slug)
        return False
    return not has_news(spec.client_id)
