"""Superset's first accounts: the service account for provisioning, and the staff login. Run after `superset init`.

    python superset/bootstrap.py

inside Superset's virtual environment. It may be repeated: it sets the passwords from the environment
(PULSE_SUPERSET_SERVICE_PASSWORD, PULSE_SUPERSET_STAFF_PASSWORD) and removes all permissions of anonymous visitors.
"""

from __future__ import annotations

import os
import sys
from typing import Any

# This folder is called superset, like the package, so it must not be on the path when the package is imported.
sys.path[:] = [
    entry for entry in sys.path if os.path.abspath(entry or ".") != os.path.dirname(os.path.abspath(__file__))
]

from pulse import environ  # noqa: E402

SERVICE = ("pulse_service", "Admin", environ.SUPERSET_SERVICE_PASSWORD, ("Pulse", "service"))
STAFF = ("staff", "pulse_staff", environ.SUPERSET_STAFF_PASSWORD, ("Pulse", "staff"))


def ensure_account(manager: Any, username: str, role_name: str, password: str, name: tuple[str, str]) -> str:
    """Create an account with exactly one role, or bring it up to date; says what was done."""
    from werkzeug.security import check_password_hash, generate_password_hash

    role = manager.find_role(role_name) or manager.add_role(role_name)
    user = manager.find_user(username=username)
    if user is None:
        if not manager.add_user(username, *name, f"{username}@pulse.invalid", role, password=password):
            raise SystemExit(f"Superset refused to create the account {username}")
        return "created"
    if check_password_hash(user.password or "", password) and list(user.roles) == [role] and user.active:
        return "unchanged"
    user.password, user.roles, user.active = generate_password_hash(password), [role], True
    manager.update_user(user)
    return "updated"


def close_public_role(manager: Any, session: Any) -> int:
    """Remove every permission of anonymous visitors; returns how many there were."""
    public = manager.find_role(manager.auth_role_public)
    if public is None or not public.permissions:
        return 0
    count = len(public.permissions)
    public.permissions = []
    session.commit()
    return count


def main() -> None:
    """Create or update the accounts."""
    from superset.app import create_app

    with create_app().app_context():
        from superset.extensions import db, security_manager

        from pulse_superset import store

        store.create()
        for username, role, variable, name in (SERVICE, STAFF):
            print(f"{username}: {ensure_account(security_manager, username, role, variable.get(), name)}")
        print(f"anonymous visitors: {close_public_role(security_manager, db.session)} permissions removed")


if __name__ == "__main__":
    main()
