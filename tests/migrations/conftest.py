"""What the tests of the migrations share."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterator

import pytest
from alembic import command
from psycopg import sql
from sqlalchemy import create_engine, make_url, pool

from migrations.migrate import alembic_config
from stack.postgres import roles as postgres_roles
from stack.postgres.cluster import Cluster
from tests.support.database import TestDatabase


@pytest.fixture
def empty(cluster: Cluster) -> Iterator[str]:
    """A hardened database without any table."""
    name = f"pulse_test_{secrets.token_hex(6)}"
    postgres_roles.bootstrap_primary(cluster, name)
    yield name
    with cluster.primary.connect() as superuser:
        superuser.execute(sql.SQL("drop database {} with (force)").format(sql.Identifier(name)))


@pytest.fixture
def made_by(cluster: Cluster, empty: str) -> Iterator[Callable[[str], TestDatabase]]:
    """A database as the migrations up to a revision have made it: tables, and neither views nor seeds."""
    database = TestDatabase(cluster, empty)

    def make(revision: str) -> TestDatabase:
        address = make_url(database.url("pulse_owner")).set(drivername="postgresql+psycopg")
        configuration = alembic_config()
        with create_engine(address, poolclass=pool.NullPool).connect() as connection, connection.begin():
            configuration.attributes["connection"] = connection
            command.upgrade(configuration, revision)
        postgres_roles.secure_roles(cluster, empty)
        return database

    yield make
    database.close()
