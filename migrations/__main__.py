"""By hand: `PULSE_MIGRATE_URL=postgresql://… python -m migrations`, as pulse_owner.

Without the address: the database pulse at PULSE_PRIMARY_HOST and PULSE_PRIMARY_PORT; the password comes from
PULSE_ROLE_SECRET.
"""

import os
import sys

from sqlalchemy.engine import URL

from migrations.errors import MigrateError
from migrations.migrate import migrate
from pulse.tenancy import role_password


def migrate_url() -> str:
    """Where to migrate."""
    url = URL.create(
        "postgresql",
        username="pulse_owner",
        password=role_password(os.environ.get("PULSE_ROLE_SECRET", ""), "pulse_owner"),
        host=os.environ.get("PULSE_PRIMARY_HOST", "127.0.0.1"),
        port=int(os.environ.get("PULSE_PRIMARY_PORT", "5432")),
        database="pulse",
    )
    return os.environ.get("PULSE_MIGRATE_URL") or url.render_as_string(hide_password=False)


if __name__ == "__main__":
    try:
        migrate(migrate_url())
    except MigrateError as error:
        sys.exit(f"pulse: {error}")
