"""Fixtures for all tests of the SQL."""

from __future__ import annotations

import pytest

from tests.support.database import TestDatabase
from tests.support.world import World


@pytest.fixture
def world(db: TestDatabase) -> World:
    return World(db, minimum_sample=1)
