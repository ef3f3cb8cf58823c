"""A real mail server for messages."""

from __future__ import annotations

import email
import email.policy
from collections.abc import Iterator
from email.message import EmailMessage
from typing import Any

import pytest
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import Envelope, Session

from tests.support.servers import free_port


class Mailbox:
    """What the server took. It refuses who is in `refused`, and hangs up on a message for who is in `lost`."""

    def __init__(self) -> None:
        self.taken: list[tuple[str, EmailMessage]] = []
        self.refused: set[str] = set()
        self.lost: set[str] = set()

    async def handle_RCPT(self, server: Any, session: Session, envelope: Envelope, address: str, options: Any) -> str:
        if address in self.refused:
            return "450 try again later"
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server: Any, session: Session, envelope: Envelope) -> str:
        (address,) = envelope.rcpt_tos
        if address in self.lost:
            server.transport.abort()
        content = envelope.content
        assert isinstance(content, bytes)
        made = email.message_from_bytes(content, policy=email.policy.default)
        assert isinstance(made, EmailMessage)
        self.taken.append((address, made))
        return "250 OK"

    def addresses(self) -> list[str]:
        return [address for address, _ in self.taken]


@pytest.fixture
def mailbox(monkeypatch: pytest.MonkeyPatch) -> Iterator[Mailbox]:
    box = Mailbox()
    server = Controller(box, hostname="127.0.0.1", port=free_port())
    server.start()
    for name, value in {
        "PULSE_SMTP_HOST": "127.0.0.1",
        "PULSE_SMTP_PORT": str(server.port),
        "PULSE_SMTP_SECURITY": "none",
        "PULSE_SMTP_FROM": "Pulse <pulse@pulse.example>",
        "PULSE_SUPERSET_PUBLIC_URL": "https://pulse.example",
    }.items():
        monkeypatch.setenv(name, value)
    yield box
    server.stop()
