"""Alembic's entry point: runs the migrations on the connection that migrations/migrate.py gives it."""

from alembic import context

from migrations.errors import MigrateError

connection = context.config.attributes.get("connection")
if connection is None:
    raise MigrateError(
        "use `python -m migrations` (PULSE_MIGRATE_URL says where): views and seeds belong to the schema too. Migrations"
        " only go forward"
    )
context.configure(connection=connection, version_table_schema="public")
with context.begin_transaction():
    context.run_migrations()
