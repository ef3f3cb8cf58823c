"""What the tasks of the DAG onboard_client do: from the form to a client's Variable.

Each task starts from the form again: people may write XComs, so nothing is taken from one.
"""

from __future__ import annotations

import json
import logging
import re
from collections.abc import Mapping
from typing import Any

from airflow.sdk import Variable
from airflow.sdk.exceptions import AirflowFailException

from pulse.clients.explain import Mistake
from pulse.clients.spec import VARIABLE_PREFIX, ClientSpec, SpecError, parse_spec
from pulse.clients.sync import connection_id
from pulse.errors import PulseError
from pulse.orchestration.credentials import credential_for
from pulse.sources.base import Integration
from pulse.sources.check import Report, check_source

log = logging.getLogger(__name__)
Form = Mapping[str, Any]
DESCRIPTION = "A client of Pulse: see docs/client-variable.md"
WAY_OUT = "Correct it in the form and trigger onboard_client again."
TAKEN = (
    "there is a Variable pulse_client_{slug} already, and it was not changed. Choose another short name, or tick 'Replace an"
    " existing client' to write it anew"
)
PEOPLE = (("executives", "executive"), ("managers", "manager"), ("admins", "client_admin"))
_TOKEN = re.compile(r"gh[pousr]_\w|github_pat_|ATATT\w|glpat-|xox[a-z]-|-----BEGIN")


def validate(form: Form, *, first: bool = False) -> ClientSpec:
    """The client that the form declares. Fails with every mistake at once: field of the form, value, rule, example.

    `first`: nothing has been written yet, so that a Variable of this name is another client's.
    """
    slug, variable, places = declared(form)
    mistakes = _form_mistakes(form, variable)
    if first and _exists(slug) and not form.get("replace"):
        mistakes.append(Mistake("slug", TAKEN.format(slug=slug)))
    spec = None
    try:
        spec = parse_spec(slug, json.dumps(variable), WAY_OUT)
    except SpecError as error:
        mistakes += [Mistake(_place(one.field, places), one.rule, one.value, one.example) for one in error.mistakes]
    if mistakes or spec is None:
        raise AirflowFailException(
            f"client {slug or '?'}: {len(mistakes)} fields of the form need a correction, and nothing was written. "
            + " ".join(f"[{number}] {str(one).rstrip('.')}." for number, one in enumerate(mistakes, 1))
            + f" {WAY_OUT}"
        )
    return spec


def ask_sources(form: Form) -> dict[str, list[str]]:
    """What each source answers, in sentences. Fails if one cannot be read, with every source's reason at once."""
    reports = _reports(form)
    for report in reports:
        for line in report.lines():
            log.info("%s: %s", report.source, line)
    failed = [f"{one.source}: {' '.join([one.failure, *one.missing]).strip()}" for one in reports if one.failure]
    lacking = [f"{one.source}: {' '.join(one.missing)}" for one in reports if one.missing and not one.failure]
    if lacking and not form.get("despite_missing"):
        failed += lacking
    if failed:
        hint = " To go on without these rights, tick 'Go on without missing rights'." if lacking else ""
        raise AirflowFailException(f"client {form['slug']}: nothing was written. {' '.join(failed)}{hint} {WAY_OUT}")
    return {report.source: report.lines() for report in reports}


def propose(form: Form) -> dict[str, Any]:
    """The settings that fit what the sources showed; those that the form gives stay."""
    _, variable, _ = declared(form)
    proposed = _proposals(_reports(form), variable["settings"])
    for name, value in proposed.items():
        log.info("proposed: %s = %s", name, json.dumps(value, ensure_ascii=False))
    if not proposed:
        log.info("nothing is proposed: the defaults and what the form says fit")
    return proposed


def write_variable(form: Form) -> str:
    """Write the client's Variable, with the proposed settings if the form wants them; returns its name.

    Fails if the client exists and the form does not say that it is to be replaced.
    """
    slug, variable, _ = declared(form)
    validate(form)
    if form.get("use_proposals"):
        variable["settings"] |= _proposals(_reports(form), variable["settings"])
    key, text = f"{VARIABLE_PREFIX}{slug}", json.dumps(variable, indent=2, ensure_ascii=False)
    parse_spec(slug, text, WAY_OUT)
    if _exists(slug) and not form.get("replace"):
        raise AirflowFailException(f"client {slug}: slug: {TAKEN.format(slug=slug)}.")
    Variable.set(key, text, DESCRIPTION)
    log.info("client %s: the Variable %s is written", slug, key)
    return key


def declared(form: Form) -> tuple[str, dict[str, Any], list[tuple[str, str]]]:
    """The slug and the Variable that a form declares, and for each part of the Variable the form's field."""
    places: list[tuple[str, str]] = []
    users: list[dict[str, Any]] = []
    for field, role in PEOPLE:
        for email in _list(form.get(field)):
            places.append((f"users[{len(users)}]", field))
            users.append({"email": str(email).strip(), "role": role})
    integrations: list[Any] = []
    for kind, integration in (("github", _github(form)), ("jira", _jira(form))):
        if integration:
            places.append((f"integrations[{len(integrations)}]", kind))
            integrations.append(integration)
    integrations += _list(form.get("other_integrations"))
    branding = {name: form[name] for name in ("app_name", "primary_color", "accent_color") if form.get(name)}
    settings = dict(form.get("settings") or {})
    if form.get("deployment_source") not in (None, "", "as seen"):
        settings["dora.deployment_source"] = form["deployment_source"]
    variable = {
        "name": str(form.get("name") or ""),
        "time_zone": str(form.get("time_zone") or "UTC"),
        "schedule_minutes": form.get("schedule_minutes", 60),
        **({"branding": branding} if branding else {}),
        "users": users,
        "settings": settings,
        "integrations": integrations,
    }
    return str(form.get("slug") or ""), variable, places


def _github(form: Form) -> dict[str, Any]:
    if not form.get("github_organization"):
        return {}
    return _given(
        type="github",
        organization=form["github_organization"],
        base_url=form.get("github_base_url"),
        repositories=_list(form.get("github_repositories")),
        connection=form.get("github_connection"),
    )


def _jira(form: Form) -> dict[str, Any]:
    if not form.get("jira_base_url"):
        return {}
    return _given(
        type="jira",
        base_url=form["jira_base_url"],
        projects=_list(form.get("jira_projects")),
        connection=form.get("jira_connection"),
    )


def _given(**fields: Any) -> dict[str, Any]:
    return {name: value.strip() if isinstance(value, str) else value for name, value in fields.items() if value}


def _list(value: Any) -> list[Any]:
    return [one for one in value if one not in ("", None)] if isinstance(value, list) else []


def _exists(slug: str) -> bool:
    return Variable.get(f"{VARIABLE_PREFIX}{slug}", default=None) is not None


def _form_mistakes(form: Form, variable: dict[str, Any]) -> list[Mistake]:
    """What the form demands beyond the Variable."""
    found = []
    if not variable["integrations"]:
        found.append(
            Mistake("github_organization", "give a GitHub organisation, a Jira site or another source", "", '"acme"')
        )
    for name, value in form.items():
        if _TOKEN.search(json.dumps(value, default=str)):
            found.append(
                Mistake(
                    name,
                    "holds a token. Tokens belong in Connections: the form is stored with its run. Revoke this token and make"
                    " a new one",
                )
            )
        elif name not in FIELDS:
            found.append(Mistake(name, "is no field of the form; tokens belong in Connections"))
    return found


def _place(path: str, places: list[tuple[str, str]]) -> str:
    """The form's field for a field of the Variable."""
    if path == "the name":
        return "slug"
    for prefix, field in places:
        if path.startswith(prefix):
            rest = path.removeprefix(prefix).lstrip(".")
            if field not in ("github", "jira"):
                return field
            return f"{field}_{re.split(r'[.[]', rest)[0]}" if rest else field
    if path.startswith('settings["dora.deployment_source"]'):
        return "deployment_source"
    return path.removeprefix("branding.")


def _reports(form: Form) -> list[Report]:
    """The answers of the sources; of one whose Connection does not exist, what to do."""
    spec, slug = validate(form), str(form["slug"])
    found = []
    for one in spec.integrations:
        name = one.name or one.type
        integration = Integration(
            client_id=0,
            client_slug=slug,
            id=0,
            integration_type=one.type,
            name=name,
            base_url=one.url,
            connection_id=one.connection or connection_id(slug, one.type, name),
            config=one.config(),
        )
        try:
            found.append(check_source(integration, credential_for(integration)))
        except PulseError as error:
            found.append(Report(name, failure=str(error)))
    return found


def _proposals(reports: list[Report], given: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for one in reports for name, value in one.proposals.items() if name not in given}


FIELDS = (
    *("slug", "name", "time_zone", "schedule_minutes", "replace", "app_name", "primary_color", "accent_color"),
    *(field for field, _ in PEOPLE),
    *("github_organization", "github_base_url", "github_repositories", "github_connection"),
    *("jira_base_url", "jira_projects", "jira_connection", "other_integrations"),
    *("deployment_source", "settings", "use_proposals", "despite_missing"),
)
