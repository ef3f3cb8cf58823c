from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.conftest import SandboxServer


@pytest.fixture
def sandbox(sandbox_server: SandboxServer) -> Iterator[SandboxServer]:
    """The sandbox at its start: no fault ordered, the clock at the anchor."""
    sandbox_server.reset()
    yield sandbox_server
    sandbox_server.reset()
