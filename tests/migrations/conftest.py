"""What the tests of the migrations share."""

from __future__ import annotations

import secrets
from collections.abc import Iterator

import pytest
from psycopg import sql

from stack.postgres import roles as postgres_roles
from stack.postgres.cluster import Cluster


@pytest.fixture
def empty(cluster: Cluster) -> Iterator[str]:
    """A hardened database without any table."""
    name = f"pulse_test_{secrets.token_hex(6)}"
    postgres_roles.bootstrap_primary(cluster, name)
    yield name
    with cluster.primary.connect() as superuser:
        superuser.execute(sql.SQL("drop database {} with (force)").format(sql.Identifier(name)))
