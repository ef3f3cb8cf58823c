"""Every setting of a client, declared once: name, type, default, meaning.

From these declarations come the check of the Variable, docs/client.schema.json, the tables in docs/ and the values that
the SQL reads. To add a setting, add a field here, read it in the model that uses it (`settings ->> 'dora.<name>'` from
`settings`), and run `python -m pulse.clients.document`. The field `dora_start_event` declares the setting
`dora.start_event`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator, ConfigDict, Field, ValidationError

from pulse.clients.base import Exact
from pulse.clients.explain import explain
from pulse.clients.masking import object_of_pairs
from pulse.clients.setting_types import (
    Category,
    IncidentRule,
    Name,
    Pattern,
    ProjectKey,
    Service,
    Share,
    Target,
    Team,
    Text,
    WorkingCalendar,
    unique_names,
)

# Names what the numbers mean by default. Raise it whenever a default changes or the SQL computes something else: then
# every client is computed from scratch, and the restatement log gives the new definition as the reason.
DEFINITION = "pulse-7"

FEATURE = r"^feature\.[a-z][a-z0-9_]{0,39}$"
FEATURE_MEANING = "`false`: the integration of this name is not extracted"


class _Group(Exact):
    model_config = ConfigDict(alias_generator=lambda name: name.replace("_", ".", 1))


class DoraSettings(_Group):
    """What counts in the metrics."""

    dora_start_event: Literal["first_commit", "opened"] = Field(
        "first_commit",
        description="where lead time starts: at the first commit, or when the pull request was opened (published or"
        " marked ready for review). As others count: dora.dev from the commit, GitLab from the merge request",
    )
    dora_commit_date: Literal["authored", "committed"] = Field(
        "authored",
        description="which date of the first commit counts: `authored` survives a rebase. As others count: DevLake"
        " `authored`, Middleware `committed`",
    )
    dora_exclude_bots: bool = Field(
        True, description="leave bots' changes out of the lead time and the pull request metrics"
    )
    dora_bots: list[Pattern] = Field(
        [r"[-_]bot$", r"\[bot\]$", "^ci-"],
        description="logins of automation, in any case; whom the forge itself calls a bot always is one. Its changes are"
        " bots' changes, and its reviews and approvals count for nothing",
        examples=[[r"[-_]bot$", "^release-robot$"]],
    )
    dora_agents: list[Pattern] = Field(
        [r"^(copilot-swe-agent|devin-ai-integration|google-labs-jules|openai-codex|claude|cursor)(\[bot\])?$"],
        description="logins of coding agents (as of November 2026). Their pull requests are changes like a person's,"
        " although the forge calls them bots; their reviews are not a person's",
        examples=[[r"^our-agent(\[bot\])?$"]],
    )
    dora_direct_pushes: bool = Field(
        False,
        description="count commits pushed to the default branch without a pull request as changes (as Four Keys does)."
        " Each starts at its commit date and is opened and merged at its committed date. Their authors are unknown, so"
        " bots are not left out; in a monorepo they belong to the repository's own service. Commits added by a rebase"
        " merge are not direct pushes (the last commits up to a merge, as many as the pull request has, that share"
        " authored date and headline with one of its commits), and neither is the merge commit of a custom source's"
        " change",
    )
    dora_production_branches: list[Pattern] = Field(
        [],
        description="the branches whose merges are changes. If empty: each repository's default branch",
        examples=[["^main$", "^release/"]],
    )
    dora_deployment_source: Literal["deployments", "workflow_runs", "releases", "merges", "custom"] = Field(
        "deployments",
        description="what counts as a deployment (as in DevLake, Middleware and stenjo): GitHub `deployments`; finished"
        " attempts of `workflow_runs`; published `releases` except prereleases; `merges`; or `custom` for none of these."
        " Deployments of custom sources always count as well",
    )
    dora_workflow_pattern: Pattern = Field(
        "deploy|release",
        description="names of workflows that deploy to production; `^(?!.*staging).*deploy` leaves some out (as in"
        " DevLake)",
        examples=["^deploy"],
    )
    dora_workflow_branches: list[Pattern] = Field(
        [],
        description="the branches or tags whose runs deploy. If empty: those of `dora.production_branches`, or else the"
        " default branch and releases. Runs for pull requests then do not count",
        examples=[["^v[0-9]"]],
    )
    dora_production_environments: list[Pattern] = Field(
        [r"^prod(uction)?\b"],
        min_length=1,
        description="names of production environments of deployments; several may match (as GitLab's tiers). Workflow"
        " runs, releases and merges always go to production",
        examples=[["^live$"]],
    )
    dora_services: Annotated[list[Service], AfterValidator(unique_names)] = Field(
        [],
        description="parts of a monorepo that are services. `paths` match changed files (the integration needs"
        " `pull_request_files`). `deployments` matches the environment, task, description, tag or workflow of a"
        " deployment (default: the name as a word). What matches no part belongs to the repository's own service",
        examples=[
            [{"name": "billing", "repository": "mono", "paths": ["^services/billing/"], "deployments": "billing"}]
        ],
    )
    dora_teams: Annotated[list[Team], AfterValidator(unique_names)] = Field(
        [],
        description="teams by the patterns of their services' names",
        examples=[[{"name": "Payments", "services": ["^billing$", "^checkout"]}]],
    )
    dora_incident_rule: IncidentRule = Field(
        IncidentRule.model_validate({"source": "jira", "issue_types": ["Incident"], "labels": ["incident"]}),
        description="which issues are incidents: those of `source` (`jira`, `github` or `both`) that match. One value of"
        " a list is enough; `match` says whether one list (`any`, the default) or every given list (`all`) must match."
        " An incident with one of `external_labels` was not caused by a change",
        examples=[
            {
                "source": "both",
                "issue_types": ["Incident"],
                "labels": [],
                "priorities": [],
                "fields": {"Severity": ["S1"]},
                "match": "all",
                "external_labels": ["provider"],
            }
        ],
    )
    dora_jira_services: Annotated[dict[ProjectKey, Name], BeforeValidator(object_of_pairs)] = Field(
        {},
        description="the service of a Jira project's issues, used when no component and no label names one",
        examples=[{"OPS": "checkout"}],
    )
    dora_incident_window_hours: int = Field(
        168,
        ge=1,
        le=24 * 90,
        description="how many hours before an incident `time_window` looks for its cause (DevLake has no such limit: its"
        " issue 8150)",
    )
    dora_rollback_window_hours: int = Field(
        24,
        ge=1,
        le=24 * 30,
        description="a rollback within this many hours means that the deployment it undoes failed",
    )
    dora_release_window_hours: int = Field(
        24,
        ge=0,
        le=24 * 90,
        description="deployments of one version of a service to several production environments are one release if each"
        " finished within this many hours after the one before",
    )
    dora_count_redeployments: bool = Field(
        False,
        description="count redeployments of a version and rollbacks in the deployment frequency and the change failure"
        " rate, too (as DevLake and Four Keys do)",
    )
    dora_minimum_confidence: float = Field(
        0.4,
        ge=0.4,
        le=1,
        description="how sure the cause of an incident has to be: weaker links are not made. 0.6 leaves out those that"
        " rest on time alone",
    )
    dora_hotfix_pattern: Pattern = Field(
        r"^(hotfix|emergency)\b", description="title or branch of a hotfix", examples=["^hotfix"]
    )
    dora_minimum_sample: int = Field(5, ge=1, le=1000, description="with fewer events, a metric has no value")
    dora_week_start: Literal["monday", "sunday", "saturday"] = Field(
        "monday",
        description="the first day of a week, for the numbers of weeks, their charts, and the weekly report. A change"
        " recomputes all weeks",
    )
    dora_working_calendar: WorkingCalendar | None = Field(
        None,
        description="the days on which people work (as in HeartBeat); `workdays` are days off on which they do. Durations"
        " leave out the other days (in the client's time zone), and the frequency is per working day. `null`: every day"
        " counts",
        examples=[
            {"days": ["mon", "tue", "wed", "thu", "fri"], "holidays": ["2026-12-25"], "workdays": ["2026-10-10"]}
        ],
    )
    dora_benchmark_year: Literal[2023, 2024, 2025] = Field(
        2024, description="the DORA report whose tiers are used; 2025 has no tiers"
    )
    dora_compare_industry: (
        Literal[
            "all",
            "consumer",
            "education",
            "energy",
            "financial_services",
            "government",
            "healthcare_pharmaceuticals",
            "industrials_manufacturing",
            "insurance",
            "media_entertainment",
            "non_profit",
            "other",
            "technology",
            "telecommunications",
        ]
        | None
    ) = Field(None, description="the industry whose mean in the DORA survey is shown beside the client's numbers")
    dora_compare_size: (
        Literal["all", "1", "2-9", "20-99", "100-499", "500-999", "1000-4999", "5000-9999", "10000+"] | None
    ) = Field(
        None, description="how many people work at the company: the mean of that size in the DORA survey is shown, too"
    )


Severity = Literal["block", "warn", "off"]
ShownSeverity = Literal["info", "block", "warn", "off"]


class QualitySettings(_Group):
    """How severe each quality check is. A failed check of severity `block` keeps the run from publishing."""

    quality_deployments_with_changes: Severity = Field(
        "warn",
        description="fails when there are 20 or more production deployments, and fewer than half of them delivered a"
        " known change",
    )
    quality_changes_deployed: ShownSeverity = Field("info", description="never fails: how many changes were deployed")
    quality_incidents_linked: ShownSeverity = Field(
        "info", description="never fails: how many incidents have a known cause, and by which method it was found"
    )
    quality_incidents_without_service: ShownSeverity = Field(
        "info", description="never fails: how many incidents name no service"
    )
    quality_deployments_without_commit: Severity = Field(
        "warn",
        description="fails when there are 20 or more production deployments, and of more than a fifth of them it is not"
        " known what they contain: they name no commit of the default branch, or of a branch that began there",
    )
    quality_changes_without_commit: Severity = Field(
        "warn",
        description="fails when there are 20 or more merged changes, and the merge commit of more than a fifth of them is"
        " not in the default branch's history",
    )
    quality_trial_deployments: ShownSeverity = Field(
        "info",
        description="never fails: how many first deployments were taken for trials, and deliver nothing",
    )
    quality_failures_guessed: ShownSeverity = Field(
        "info", description="never fails: how many failed releases only time links to an incident"
    )
    quality_negative_durations: Severity = Field("warn", description="fails when a change was deployed before it began")
    quality_impossible_orders: Severity = Field("warn", description="fails when something ended before it began")
    quality_future_deployments: Severity = Field(
        "warn", description="fails when a deployment ends in the future. It counts when its day has come"
    )
    quality_orphans: Severity = Field(
        "warn", description="fails when records were read of a repository or project that is not stored itself"
    )
    quality_stored_of_upstream: Severity = Field(
        "warn", description="fails when the last census found less than 98 % of the upstream's records here"
    )
    quality_rejected_records: Severity = Field(
        "warn", description="fails when records could not be read and wait for `replay_rejects`"
    )
    quality_sudden_jump: Severity = Field(
        "warn",
        description="fails when the last 30 days are more than three times the 30 days before, or less than a third",
    )
    quality_facts_lost: Severity = Field(
        "block",
        description="fails when one run would remove 20 or more, and more than half, of the changes, deployments or"
        " incidents. A token that lost its access looks like that. If the loss is right, set the check to `warn` for one"
        " run",
    )
    quality_reconciliation: Severity = Field(
        "block", description="fails when a published sample differs from a simple count of the facts: a bug in Pulse"
    )


_CATEGORIES = [
    {"name": "Incidents", "incidents": True, "unplanned": True},
    {"name": "Bugs", "issue_types": ["Bug", "Defect"], "labels": ["bug"], "unplanned": True},
    {
        "name": "Support",
        "issue_types": ["Support", "Service Request"],
        "labels": ["support", "customer-request"],
        "unplanned": True,
    },
    {
        "name": "Upkeep",
        "issue_types": ["Technical Debt", "Tech Debt", "Maintenance"],
        "labels": ["tech-debt", "technical-debt", "maintenance", "refactoring", "security", "upgrade"],
    },
    {"name": "New features", "issue_types": ["Story", "New Feature", "Feature", "Improvement", "Enhancement"]},
]


class WorkSettings(_Group):
    """How the tracker's items are read on the pages about work, forecast and investment."""

    work_waiting_statuses: list[Text] = Field(
        [],
        description="statuses in which an item waits for somebody, in any case. With them, Pulse shows how much of the time"
        " between start and end was work (flow efficiency); without them nobody can tell",
        examples=[["In Review", "Blocked", "Ready for test"]],
    )
    work_categories: Annotated[list[Category], AfterValidator(unique_names)] = Field(
        [Category.model_validate(category) for category in _CATEGORIES],
        description="where effort goes: kinds of work by issue type, label (both in any case), epic, or being an incident. The"
        " first that matches counts; what matches none is shown as other work. `unplanned` kinds are what came up",
        examples=[[{"name": "Growth", "epics": ["^GROW-", "onboarding"]}, {"name": "Repairs", "issue_types": ["Bug"]}]],
    )


class CostSettings(_Group):
    """The client's own rates. Without them, Pulse shows hours and no money."""

    cost_currency: Annotated[str, Field(pattern="^[A-Z]{3}$")] | None = Field(
        None, description="currency of the rates, three letters", examples=["EUR"]
    )
    cost_hour_of_failure: Annotated[float, Field(gt=0)] | None = Field(
        None, description="what an hour costs in which a failed release has not been recovered from"
    )
    cost_hour_of_work: Annotated[float, Field(gt=0)] | None = Field(
        None,
        description="what an hour of repair work costs: the hours from the first commit of a repair to its deployment",
    )


class IngestSettings(_Group):
    """What happens with records that tools send (docs/push.md)."""

    ingest_triggers_run: bool = Field(
        False,
        description="records that a tool pushes start a run, at most one a minute. Otherwise they are counted at the next"
        " scheduled run. (A webhook always starts one)",
    )


class TargetSettings(_Group):
    """What the client wants to reach. Tile and chart show it, with whether the pace of the last weeks reaches it."""

    targets_deployment_frequency: Target | None = Field(
        None,
        description="the frequency to reach, in releases per day, and by when",
        examples=[{"value": 3, "by": "2027-06-30"}],
    )
    targets_lead_time_for_changes: Target | None = Field(
        None, description="the lead time to reach, in hours", examples=[{"value": 24, "by": "2027-06-30"}]
    )
    targets_change_failure_rate: Share | None = Field(
        None,
        description="the share of failed releases to reach, in percent",
        examples=[{"value": 5, "by": "2027-06-30"}],
    )
    targets_failed_deployment_recovery_time: Target | None = Field(
        None, description="the recovery time to reach, in hours", examples=[{"value": 2, "by": "2027-06-30"}]
    )
    targets_deployment_rework_rate: Share | None = Field(
        None, description="the share of rework to reach, in percent", examples=[{"value": 5, "by": "2027-06-30"}]
    )


class PrivacySettings(_Group):
    """What is shown of people."""

    privacy_people: Literal["none", "pseudonyms", "names"] = Field(
        "none",
        description="how the views that executives read show a person: not at all, by a pseudonym that stays the same, or by"
        " login. Bots keep their names",
    )


class Settings(
    PrivacySettings, TargetSettings, IngestSettings, CostSettings, WorkSettings, QualitySettings, DoraSettings
):
    """The settings of a client. Those that are not given have their defaults."""

    model_config = ConfigDict(
        extra="allow",
        json_schema_extra={
            "additionalProperties": False,
            "patternProperties": {FEATURE: {"type": "boolean", "default": True, "description": FEATURE_MEANING}},
        },
    )
    __pydantic_extra__: dict[Annotated[str, Field(pattern=FEATURE)], bool]

    def given(self) -> dict[str, Any]:
        """Only what the admin wrote, unchanged: this is what core.system_settings holds."""
        return self.model_dump(mode="json", by_alias=True, exclude_unset=True)

    def is_on(self, integration: str) -> bool:
        """Whether the feature flag of the integration of this name allows extracting it."""
        return self.__pydantic_extra__.get(f"feature.{integration}", True)


@dataclass(frozen=True)
class EffectiveSettings:
    """What a client computes with.

    `values`: every setting by its name, JSON-able. `refused`: one line per stored value that cannot be used, with the
    setting's name and the reason.
    """

    values: dict[str, Any]
    refused: list[str]


def effective_settings(stored: Mapping[str, Any]) -> EffectiveSettings:
    """The settings of a client with a default for each that is not stored or cannot be used.

    `stored`: the rows of core.system_settings by setting_key; the brand, the sign-in and embedding are left aside. Never raises
    for what is stored: an unknown key or an unusable value is named in `refused` and does not affect the other settings.
    """
    given = {key: value for key, value in stored.items() if not key.startswith(("brand.", "sso.", "embed."))}
    refused: list[str] = []
    try:
        settings = Settings.model_validate(given)
    except ValidationError as error:
        refused = explain(error, Settings.model_json_schema())
        unusable = {item["loc"][0] for item in error.errors()}
        settings = Settings.model_validate({key: value for key, value in given.items() if key not in unusable})
    return EffectiveSettings(settings.model_dump(mode="json", by_alias=True), refused)
