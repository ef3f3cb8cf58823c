"""Alembic's entry point: connects as pulse_owner and runs each migration in a transaction of its own.

Where to: the attribute `url` of the configuration, or PULSE_MIGRATE_URL, or else PULSE_PRIMARY_HOST,
PULSE_PRIMARY_PORT and PULSE_ROLE_SECRET.
"""

from alembic import context
from sqlalchemy import create_engine, make_url, pool
from sqlalchemy.engine import URL

from pulse import environ
from pulse.tenancy import role_password


def migrate_url() -> URL:
    """Where to migrate, with the psycopg 3 driver."""
    given = context.config.attributes.get("url") or environ.MIGRATE_URL.given()
    if given:
        return make_url(given).set(drivername="postgresql+psycopg")
    return URL.create(
        "postgresql+psycopg",
        username="pulse_owner",
        password=role_password(environ.ROLE_SECRET.get(), "pulse_owner"),
        host=environ.PRIMARY_HOST.get(),
        port=environ.PRIMARY_PORT.get(),
        database="pulse",
    )


def run() -> None:
    """Run the wanted migrations; two runs at once wait for each other."""
    engine = create_engine(migrate_url(), poolclass=pool.NullPool)
    with engine.connect() as connection:
        connection.exec_driver_sql("select pg_advisory_lock(hashtext('pulse.migrate'))")
        connection.commit()
        context.configure(connection=connection, transaction_per_migration=True, version_table_schema="public")
        with context.begin_transaction():
            context.run_migrations()


if context.is_offline_mode():
    raise SystemExit("the migrations decide by what the server offers: run them against a database, without --sql")
run()
