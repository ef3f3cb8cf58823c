"""A client's user sees no other person: Superset's tables of users and roles show them their own row only.

Of the links that people save (permalinks), they see those of their own client's people.

Superset has many lists with people in them (owners, authors, pick lists with `include_ids`), and every version adds some. So
the wall is not at the lists but under them, where all queries of a request pass: SQLAlchemy adds the condition to each.
"""

from __future__ import annotations

from typing import Any

from flask import g, has_app_context
from flask_appbuilder.security.sqla.models import assoc_user_role
from sqlalchemy import event, or_, select
from sqlalchemy.orm import Session, with_loader_criteria


def install() -> None:
    """Put the condition on all queries of Superset's own database."""
    if not event.contains(Session, "do_orm_execute", _hide_others):
        event.listen(Session, "do_orm_execute", _hide_others)


def _hide_others(state: Any) -> None:
    found = g.get("pulse_identity") if has_app_context() else None
    if found is None or not found.clients or not state.is_select:
        return
    from superset.extensions import security_manager
    from superset.key_value.models import KeyValueEntry

    own_id, names = found.user_id, [*found.roles, security_manager.auth_role_public]
    # The role of visitors stays visible: Superset looks its (empty) permissions up for everybody.
    state.statement = state.statement.options(
        with_loader_criteria(security_manager.user_model, lambda user: user.id == own_id, include_aliases=True),
        with_loader_criteria(security_manager.role_model, lambda role: role.name.in_(names), include_aliases=True),
        with_loader_criteria(KeyValueEntry, _own_links(KeyValueEntry, security_manager.role_model, found.roles)),
    )


def _own_links(entry: Any, role: Any, names: frozenset[str]) -> Any:
    """Superset's table of keys and values holds more than links; only links belong to people."""
    table = role.__table__
    people = select(assoc_user_role.c.user_id).where(
        assoc_user_role.c.role_id.in_(select(table.c.id).where(table.c.name.in_(sorted(names))))
    )
    return or_(entry.resource.not_like("%permalink"), entry.created_by_fk.in_(people))
