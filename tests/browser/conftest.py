"""What the tests of the running stack in a real browser share."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser

from pulse import environ
from tests.support.browsers import chromium


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    (environ.STATE.get() / "screenshots").mkdir(exist_ok=True)
    with chromium() as started:
        yield started
