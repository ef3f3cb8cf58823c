"""By hand: `PULSE_MIGRATE_URL=postgresql://… python -m migrations`, as pulse_owner.

Without the address: the database pulse at PULSE_PRIMARY_HOST and PULSE_PRIMARY_PORT; the password comes from
PULSE_ROLE_SECRET.
"""

import sys

from sqlalchemy.engine import URL

from migrations.errors import MigrateError
from migrations.migrate import migrate
from pulse import environ
from pulse.tenancy import role_password


def migrate_url() -> str:
    """Where to migrate."""
    given = environ.MIGRATE_URL.given()
    if given:
        return given
    return URL.create(
        "postgresql",
        username="pulse_owner",
        password=role_password(environ.ROLE_SECRET.get(), "pulse_owner"),
        host=environ.PRIMARY_HOST.get(),
        port=environ.PRIMARY_PORT.get(),
        database="pulse",
    ).render_as_string(hide_password=False)


if __name__ == "__main__":
    try:
        migrate(migrate_url())
    except MigrateError as error:
        sys.exit(f"pulse: {error}")
