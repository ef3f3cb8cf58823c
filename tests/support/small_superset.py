"""Superset's own application with Pulse's settings, for tests that need its pages and no dashboards: no stack, a few seconds.

Run inside Superset's environment, it makes its tables in the database that PULSE_SUPERSET_DB_URL names, and a role for each
client of PULSE_TEST_CLIENTS. Then it serves on the port of PULSE_TEST_PORT.
"""

from __future__ import annotations

import os


def main() -> None:
    """Serve until the process ends."""
    from superset.app import create_app

    app = create_app()
    with app.app_context():
        from superset.extensions import db, security_manager

        from pulse_superset import store

        db.create_all()
        store.create()
        for client in os.environ["PULSE_TEST_CLIENTS"].split(","):
            security_manager.add_role(f"client_{client}")
        staff = security_manager.find_role("Admin") or security_manager.add_role("Admin")
        security_manager.add_user(
            "staff", "Pulse", "staff", "staff@pulse.invalid", staff, password=os.environ["PULSE_TEST_PASSWORD"]
        )
    app.run("127.0.0.1", int(os.environ["PULSE_TEST_PORT"]), threaded=True)


if __name__ == "__main__":
    main()
