"""What a Jira token can read, what there is to count, and which settings fit."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from typing import Any

from pulse.errors import AccessLost, AuthError, ConfigError
from pulse.sources import check
from pulse.sources.base import Credential, Integration, selected
from pulse.sources.check import Report
from pulse.sources.jira import endpoints
from pulse.sources.jira.client import CLOUD, JiraClient
from pulse.sources.jira.cloud import Cloud
from pulse.sources.jira.data_center import DataCenter
from pulse.sources.refusals import REFUSED_TOKEN
from pulse.warehouse.runs import RunStats

SAMPLE = 100  # of the newest issues, whose types and labels are looked at
SHOWN = 6
_INCIDENT = re.compile(r"incident|outage|problem|post-?mortem|major|störung|ausfall|panne", re.IGNORECASE)
_DEFAULT_TYPE, _DEFAULT_LABEL = "Incident", "incident"


def ask(integration: Integration, credential: Credential) -> Report:
    """The answer of Jira. Raises the errors of pulse.errors if nothing can be asked."""
    jira = JiraClient(integration, credential, RunStats())
    jira.http.tries = check.TRIES
    report = Report(integration.name)
    cloud = jira.edition() == CLOUD
    keys = _projects(jira, cloud, integration, report)
    _fields(jira, cloud, integration, report)
    try:
        issues = list(_issues(jira, cloud, keys))
    except (AuthError, AccessLost) as error:
        if error.status == REFUSED_TOKEN:
            raise
        report.missing.append(
            "The issues may not be read (permission Browse projects): no incidents and no work items."
        )
        return report
    _incidents(issues, report)
    return report


def _projects(jira: JiraClient, cloud: bool, integration: Integration, report: Report) -> list[str]:
    include = integration.config.get("projects") or ["*"]
    lost: list[str] = []
    with jira.http.understood("the projects"):
        visible = [str(one["key"]) for one in (Cloud(jira) if cloud else DataCenter(jira)).projects(lost)]
    if not visible:
        raise AuthError(
            **jira.where,
            message="the token's owner sees no project (permission Browse projects)",
            remedy="give the owner that permission in the projects, or use the token of somebody who has it",
        )
    if lost:
        report.missing.append(f"{len(lost)} projects cannot be read: Jira's answer about them is broken.")
    keys = [key for key in visible if selected(key, include)]
    if not keys:
        raise ConfigError(
            **jira.where,
            message=f"none of the {len(visible)} projects that the token's owner sees matches {include}",
            remedy=f"correct 'projects': there are {_names(visible)}",
        )
    kind = "Cloud" if cloud else "Data Center"
    report.found.append(f"Jira {kind}: {len(keys)} of {len(visible)} projects are selected ({_names(keys)}).")
    return keys


def _fields(jira: JiraClient, cloud: bool, integration: Integration, report: Report) -> None:
    """Custom fields that are asked for by name."""
    wanted = integration.config.get("custom_fields") or []
    if not wanted:
        return
    body = jira.get(endpoints.FIELDS if cloud else endpoints.DC_FIELDS).body
    names = (
        {str(one.get("name", "")).lower() for one in body if isinstance(one, dict)} if isinstance(body, list) else set()
    )
    if lacking := [name for name in wanted if name.lower() not in names]:
        report.missing.append(f"Jira has no field {_names(lacking)}: correct custom_fields.")


def _issues(jira: JiraClient, cloud: bool, keys: list[str]) -> Iterator[dict[str, Any]]:
    """The newest issues."""
    query = "project in ({}) order by updated desc".format(", ".join(f'"{key}"' for key in keys[:50]))
    fields = ["issuetype", "labels"]
    if cloud:
        body = jira.post(endpoints.SEARCH, {"jql": query, "fields": fields, "maxResults": SAMPLE}).body
    else:
        body = jira.get(endpoints.DC_SEARCH, jql=query, fields=",".join(fields), maxResults=SAMPLE).body
    for one in (body.get("issues") or []) if isinstance(body, dict) else []:
        if isinstance(one, dict) and isinstance(one.get("fields"), dict):
            yield one["fields"]


def _incidents(issues: list[dict[str, Any]], report: Report) -> None:
    """Which issues may be incidents, and the setting for them."""
    types = Counter(str((one.get("issuetype") or {}).get("name", "")) for one in issues)
    labels = Counter(str(label) for one in issues for label in one.get("labels") or [])
    report.found.append(
        f"Types of the {len(issues)} newest issues: {_names([name for name, _ in types.most_common()])}."
    )
    likely = [name for name in types if _INCIDENT.search(name)]
    marked = [name for name in labels if _INCIDENT.search(name)]
    if likely or marked:
        seen = [f"types: {_names(likely)}"] if likely else []
        seen += [f"labels: {_names(marked)}"] if marked else []
        report.found.append(f"Issues that look like incidents have {', '.join(seen)}.")
        if _DEFAULT_TYPE not in likely and _DEFAULT_LABEL not in marked:
            report.proposals["dora.incident_rule"] = {"source": "jira", "issue_types": likely, "labels": marked}
    else:
        report.needed.append(
            "No issue looks like an incident: say in dora.incident_rule which types or labels are, or there will be no change"
            " failure rate and no recovery time."
        )


def _names(names: list[str]) -> str:
    if not names:
        return "none"
    return ", ".join(names[:SHOWN]) + (f" and {len(names) - SHOWN} more" if len(names) > SHOWN else "")


CHECK = ask
