from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.conftest import SandboxServer
from tests.support.custom import DEPLOYS, PAGER, Custom
from tests.support.database import TestDatabase


@pytest.fixture
def sandbox(sandbox_server: SandboxServer) -> Iterator[SandboxServer]:
    """The sandbox in its initial state: no faults, the clock at the anchor."""
    sandbox_server.reset()
    yield sandbox_server
    sandbox_server.reset()


@pytest.fixture
def custom(db: TestDatabase, sandbox: SandboxServer) -> Custom:
    """A client with a deployment tool and a pager at the sandbox, which the environment allows as a private address."""
    return Custom(db, sandbox, [DEPLOYS, PAGER])


@pytest.fixture
def no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    """Repeat failed requests at once."""
    monkeypatch.setattr("pulse.sources.http.time.sleep", lambda seconds: None)
    monkeypatch.setattr("pulse.sources.github.walk.PAUSES_SECONDS", (0.0, 0.0))
