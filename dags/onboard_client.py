"""
### Adds a client

**Trigger** shows a form. Before that, put the tokens into *Admin → Connections* (`github__<slug>`, `jira__<slug>`; types
*Pulse: GitHub* and *Pulse: Jira*, whose **Test** says what a token may read). Never write a token into the form: a run keeps
what it was given.

What happens: `validate_form` checks every field. `ask_sources` asks GitHub and Jira what is there and what the token may not
read. `propose_settings` says which settings fit what was seen. `write_variable` writes the Variable `pulse_client_<slug>`,
which can be edited afterwards like any other, and `sync_clients` is started. The client's DAG appears seconds later.

**If a task is red**, the last line of its log names each field, its value, the rule and an example, all at once. Nothing was
written. Correct the form and trigger again.

Only an admin may trigger it. Variables: writes `pulse_client_<slug>`. Connections: reads those that the sources name.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from airflow.providers.standard.operators.trigger_dagrun import TriggerDagRunOperator
from airflow.sdk import Param, dag, get_current_context, task

from pulse.orchestration.defaults import default_args

CLIENT, PEOPLE, BRAND = "1 · The client", "2 · Its people", "3 · Its brand"
GITHUB, JIRA, COUNTING = "4 · GitHub", "5 · Jira", "6 · What counts"
_TEXT = {"type": ["null", "string"]}
_LINES = {"type": ["null", "array"], "items": {"type": "string"}}
ZONES = [
    "UTC",
    "Europe/Berlin",
    "Europe/London",
    "Europe/Paris",
    "Europe/Lisbon",
    "America/New_York",
    "America/Chicago",
]
ZONES += ["America/Denver", "America/Los_Angeles", "America/Sao_Paulo", "Asia/Kolkata", "Asia/Shanghai", "Asia/Tokyo"]


def _field(title: str, section: str, description: str, default: Any = None, **schema: Any) -> Param:
    """A field. It says its type only: Airflow would stop at the first value that breaks a rule, validate_form names all."""
    return Param(default, title=title, section=section, description_md=description, **schema)


@dag(
    schedule=None,
    start_date=datetime(2024, 1, 1, tzinfo=UTC),
    catchup=False,
    max_active_runs=1,
    doc_md=__doc__,
    dag_display_name="Add a client",
    tags=["pulse"],
    default_args=default_args() | {"retries": 2},
    params={
        "slug": _field(
            "Short name",
            CLIENT,
            "Names the DAG and the Connections. 2 to 40 lower-case letters, digits and underscores, such as `acme`",
            "",
            type="string",
        ),
        "name": _field("Name", CLIENT, "As the company's people see it", "", type="string"),
        "time_zone": _field(
            "Time zone",
            CLIENT,
            "Days, weeks and months begin there (an IANA name)",
            "UTC",
            type="string",
            examples=ZONES,
        ),
        "schedule_minutes": _field("Minutes between runs", CLIENT, "60: hourly", 60, type="integer"),
        "replace": _field("Replace an existing client", CLIENT, "Replaces the whole Variable", False, type="boolean"),
        "executives": _field("Executives", PEOPLE, "E-mail addresses, one a line", **_LINES),
        "managers": _field("Managers", PEOPLE, "E-mail addresses, one a line", **_LINES),
        "admins": _field("The client's admins", PEOPLE, "E-mail addresses, one a line", **_LINES),
        "app_name": _field("Title", BRAND, "Of the dashboards; empty: the name", **_TEXT),
        "primary_color": _field("Main colour", BRAND, "As `#RRGGBB`", **_TEXT),
        "accent_color": _field("Second colour", BRAND, "As `#RRGGBB`", **_TEXT),
        "github_organization": _field("Organisation or user", GITHUB, "Empty: no GitHub", **_TEXT),
        "github_repositories": _field("Repositories", GITHUB, "Names or patterns, one a line; empty: all", **_LINES),
        "github_connection": _field(
            "Connection", GITHUB, "The name of the Connection with the token; empty: `github__<short name>`", **_TEXT
        ),
        "github_base_url": _field(
            "Address of the API", GITHUB, "Empty: github.com. Enterprise Server: `https://HOST/api/v3`", **_TEXT
        ),
        "jira_base_url": _field("Site", JIRA, "Such as `https://acme.atlassian.net`; empty: no Jira", **_TEXT),
        "jira_projects": _field("Projects", JIRA, "Keys or patterns, one a line; empty: all", **_LINES),
        "jira_connection": _field(
            "Connection", JIRA, "The name of the Connection with the token; empty: `jira__<short name>`", **_TEXT
        ),
        "other_integrations": _field(
            "Other sources", COUNTING, "A list as `integrations` in docs/client-variable.md", type=["null", "array"]
        ),
        "deployment_source": _field(
            "What is a deployment",
            COUNTING,
            "`as seen`: what fits what GitHub shows",
            "as seen",
            type="string",
            enum=["as seen", "deployments", "workflow_runs", "releases", "merges", "custom"],
        ),
        "use_proposals": _field(
            "Take the proposed settings", COUNTING, "`propose_settings` says which they are", True, type="boolean"
        ),
        "despite_missing": _field(
            "Go on without missing rights", COUNTING, "Some numbers will then have no value", False, type="boolean"
        ),
        "settings": _field(
            "Further settings", COUNTING, "As `settings` in docs/client-variable.md", type=["null", "object"]
        ),
    },
)
def onboard_client() -> None:
    @task(retries=0)
    def validate_form() -> None:
        from pulse.orchestration.onboarding import validate

        validate(_form(), first=True)

    @task
    def ask_sources() -> dict[str, list[str]]:
        from pulse.orchestration.onboarding import ask_sources

        return ask_sources(_form())

    @task
    def propose_settings() -> dict[str, Any]:
        from pulse.orchestration.onboarding import propose

        return propose(_form())

    @task
    def write_variable() -> str:
        from pulse.orchestration.onboarding import write_variable

        return write_variable(_form())

    start_sync = TriggerDagRunOperator(
        task_id="start_sync_clients",
        trigger_dag_id="sync_clients",
        wait_for_completion=False,
        note="Started by onboard_client, which wrote the Variable pulse_client_{{ params.slug }}",
    )
    validate_form() >> ask_sources() >> propose_settings() >> write_variable() >> start_sync


def _form() -> dict[str, Any]:
    """What the form says, and whatever else the run was given."""
    context = get_current_context()
    return {**dict(context["params"]), **(context["dag_run"].conf or {})}


onboard_client()
