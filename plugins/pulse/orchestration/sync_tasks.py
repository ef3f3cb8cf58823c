"""What the tasks of the DAG sync_clients do."""

from __future__ import annotations

import logging
from contextlib import closing
from typing import Any

import psycopg
from airflow.sdk import Variable
from airflow.sdk.log import mask_secret

from pulse import environ
from pulse.clients import progress
from pulse.clients.faults import forget_faults, note_faults
from pulse.clients.served import Served
from pulse.clients.spec import VARIABLE_PREFIX, ClientSpec, SpecError, old_names, parse_spec
from pulse.clients.sync import deactivate_missing, sync_client
from pulse.people import links
from pulse.reports import mail
from pulse.superset.provision import (
    api_from_connection,
    client_digest,
    ensure_assets,
    ensure_client,
    has_role,
    pulse_datasets,
)
from pulse.warehouse.connect import connect

log = logging.getLogger(__name__)
ALLOW_MASS_DEACTIVATION = "pulse_allow_mass_deactivation"


def declared_slugs() -> list[str]:
    """The slugs of all Variables pulse_client_<slug> of clients that this Airflow serves, sorted."""
    served = Served.here()
    slugs = sorted(key.removeprefix(VARIABLE_PREFIX) for key in Variable.keys(prefix=VARIABLE_PREFIX))
    if others := [slug for slug in slugs if slug not in served]:
        log.warning(
            "%s leaves these to another Airflow: their Variables are not read: %s",
            environ.CLIENTS.name,
            ", ".join(others),
        )
    return [slug for slug in slugs if slug in served]


def slugs_to_sync() -> list[str]:
    """The slugs whose Variable has something new since it was last synchronised, sorted.

    Also those with noted faults or links that are not out, which the log names again and again. Some of the others are
    synchronised at once, in turn: what somebody has changed in the tables is undone.
    """
    with closing(connect("pulse_admin", autocommit=True)) as conn:
        known = progress.declared(conn)
        restless = progress.restless(conn)
        others = progress.longest_ago(conn, "declared_at")
    found = []
    for slug in declared_slugs():
        text = Variable.get(f"{VARIABLE_PREFIX}{slug}", default="") or ""
        if slug in restless or known.get(slug) != progress.digest(text) or (slug in others and not _synced(slug)):
            found.append(slug)
    return found


def _synced(slug: str) -> bool:
    """Synchronise a client that needs no task of its own; whether that worked. If not, its task says why."""
    try:
        sync_declared_client(slug)
    except Exception:
        return False
    return True


def sync_declared_client(slug: str) -> dict[str, Any]:
    """Check one client's Variable and write it into the tables; its faults are noted for the page Clients. Raises SpecError."""
    text = Variable.get(f"{VARIABLE_PREFIX}{slug}", default=None)
    if text is None:
        raise SpecError(
            f"client {slug}: the Variable {VARIABLE_PREFIX}{slug} was deleted during this run: nothing was changed"
        )
    with closing(connect("pulse_admin")) as conn:
        try:
            spec = parse_spec(slug, text)
            _mask(spec)
            result = sync_client(conn, slug, spec)
        except SpecError as error:
            note_faults(conn, slug, error.mistakes)
            progress.forget(conn, [slug])
            raise
        note_faults(conn, slug, [])
        progress.note_declared(conn, slug, text)
        _tell_of_links(conn, slug, result.client_id)
    for line in old_names(text):
        log.warning("client %s: %s", slug, line)
    if result.rows_written:
        log.info("client %s: %d rows written", slug, result.rows_written)
    return {"client_id": result.client_id, "active": result.active, "rows_written": result.rows_written}


def deactivate_undeclared() -> list[str]:
    """Deactivate active clients whose Variable is gone; returns their slugs.

    It reads the Variables itself: the list that an earlier task left as XCom may have been changed by people.
    """
    allow_many = (Variable.get(ALLOW_MASS_DEACTIVATION, default="") or "").strip().lower() == "true"
    with closing(connect("pulse_admin")) as conn:
        declared = declared_slugs()
        served = Served.here()
        gone = deactivate_missing(conn, set(declared), served, allow_many=allow_many)
        forget_faults(conn, declared, served)
        progress.forget_others(conn, declared, served)
    for result in gone:
        log.warning("client %s no longer has a Variable and was deactivated", result.slug)
    return [result.slug for result in gone]


def active_slugs(only: str = "") -> list[str]:
    """The slugs of the active clients that this Airflow serves, sorted; `only`: just this one.

    Raises ValueError if it is not an active client.
    """
    with closing(connect("pulse_admin")) as conn:
        rows = conn.execute("select slug from core.clients where active order by slug").fetchall()
    served = Served.here()
    slugs = [slug for (slug,) in rows if slug in served]
    if only and only not in slugs:
        raise ValueError(f"{only!r} is not an active client: use one of {', '.join(slugs) or '(there are none)'}")
    return [only] if only else slugs


def provision_all() -> None:
    """Bring Superset's assets up to date, and the role and rules of every client for which they may differ; and of a few others
    in turn, whose role somebody may have changed."""
    with closing(connect("pulse_admin", autocommit=True)) as conn:
        served = Served.here()
        rows = conn.execute("select id, slug, active from core.clients order by id").fetchall()
        clients = [row for row in rows if row[1] in served]
        api = api_from_connection()
        ensure_assets(api)
        datasets = pulse_datasets(api)
        known, others = progress.provisioned(conn), progress.longest_ago(conn, "provisioned_at")
        # A new Superset has none of the roles.
        afresh = bool(clients) and not has_role(api, clients[0][0])
        for client_id, slug, active in clients:
            wanted = client_digest(client_id, active, datasets)
            if afresh or slug in others or known.get(slug) != wanted:
                ensure_client(api, client_id, slug, active)
                progress.note_provisioned(conn, slug, wanted)


def _tell_of_links(conn: psycopg.Connection[Any], slug: str, client_id: int) -> None:
    """Say whose invitation cannot be mailed, and what to do."""
    with conn.transaction():
        unsent = links.unsent(conn, client_id)
        waiting = conn.execute(
            "select email from core.password_links where client_id = %s and send_at is not null and problem = ''",
            [client_id],
        ).fetchall()
    if not mail.is_set():
        unsent += [(email, links.NO_SERVER) for (email,) in waiting]
    for email, problem in unsent:
        log.warning(
            "client %s: %s has no link to set a password (%s). Make one with `./pulse invite %s %s` (containers:"
            " `docker compose exec airflow-scheduler python -m pulse.people %s %s`) and pass it on; or set PULSE_SMTP_HOST and"
            " PULSE_SMTP_FROM, and start Pulse again",
            *(slug, email, problem, slug, email, slug, email),
        )


def _mask(spec: ClientSpec) -> None:
    secrets = [user.password or user.scrypt or user.password_hash for user in spec.users]
    secrets += [integration.token for integration in spec.integrations]
    for secret in secrets:
        if secret is not None:
            mask_secret(secret.get_secret_value())
