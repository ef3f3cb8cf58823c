"""Superset's own application with Pulse's settings, for tests that need its pages and no charts: no stack, a few seconds.

Run inside Superset's environment, it makes its tables in the database that PULSE_SUPERSET_DB_URL names, a role without
permissions for each client, and two empty dashboards. Then it serves. Arguments: the port, the ids of the clients with commas
between them, the password of the account `staff`.
"""

from __future__ import annotations

import sys


def main() -> None:
    """Serve until the process ends."""
    port, clients, password = sys.argv[1:]
    from superset.app import create_app

    app = create_app()
    with app.app_context():
        from flask_appbuilder import Model
        from superset.extensions import db, security_manager
        from superset.models.dashboard import Dashboard

        from pulse_superset import store

        db.create_all()
        Model.metadata.create_all(db.engine)
        store.create()
        for client in clients.split(","):
            security_manager.add_role(f"client_{client}")
        for slug in ("executive-overview", "evidence"):
            db.session.add(Dashboard(dashboard_title=slug, slug=slug, json_metadata="{}"))
        db.session.commit()
        staff = security_manager.find_role("Admin") or security_manager.add_role("Admin")
        # As the real one: whoever sends a form's content through the API asks for a token first.
        asking = security_manager.add_permission_view_menu("can_read", "SecurityRestApi")
        security_manager.add_permission_role(staff, asking)
        security_manager.add_user("staff", "Pulse", "staff", "staff@pulse.invalid", staff, password=password)
    app.run("127.0.0.1", int(port), threaded=True)


if __name__ == "__main__":
    main()
