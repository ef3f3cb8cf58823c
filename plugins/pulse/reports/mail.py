"""Messages (the brief, or a few lines), and the mail server that takes them. Standard library only: the launcher sends with it,
too."""

from __future__ import annotations

import smtplib
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date
from email.message import EmailMessage
from email.utils import formataddr, formatdate, make_msgid, parseaddr

from pulse import environ
from pulse.addresses import is_address
from pulse.texts import one_line

TIMEOUT_SECONDS = 30


class NoMailServer(Exception):
    """No mail server is set, or what is set cannot be used. Says which variable."""


class Refused(Exception):
    """The mail server did not take the message: it may be sent again."""


class Unsure(Exception):
    """The connection broke when the message may have been taken already: it must not be sent again."""


@dataclass(frozen=True)
class Event:
    """Something that is told once: a signal, or a target that was reached or missed."""

    day: date
    about: str
    sentence: str


@dataclass(frozen=True)
class Content:
    """What Superset made of the brief."""

    subject: str
    html: str
    text: str
    pdf: bytes
    file_name: str
    events: tuple[Event, ...] = ()


def is_set() -> bool:
    """Whether a mail server is set."""
    return bool(environ.SMTP_HOST.get())


def message(content: Content, email: str, name: str, message_id: str, stop_link: str | None) -> EmailMessage:
    """The message for one person. Without `stop_link` it is one that somebody asked for by hand. Raises Refused."""
    made = _headed(_person(email, name), content.subject, message_id)
    if stop_link:
        made["List-Unsubscribe"] = f"<{stop_link}>"
        made["List-Unsubscribe-Post"] = "List-Unsubscribe=One-Click"
    made.set_content(content.text)
    made.add_alternative(content.html, subtype="html")
    made.add_attachment(content.pdf, maintype="application", subtype="pdf", filename=content.file_name)
    return made


def note(email: str, name: str, subject: str, text: str) -> EmailMessage:
    """A few lines for one person. Raises Refused if that is no address, and NoMailServer."""
    made = _headed(_person(email, name), subject, new_message_id())
    made.set_content(text)
    return made


def notice(addresses: str, subject: str, text: str) -> EmailMessage:
    """A few lines for the addresses that an operator has set, with commas between them. Raises NoMailServer."""
    made = _headed(addresses, subject, new_message_id())
    made.set_content(text)
    return made


def _headed(to: str, subject: str, message_id: str) -> EmailMessage:
    made = EmailMessage()
    made["From"] = _sender()
    made["To"] = to
    made["Subject"] = _one_line(subject)
    made["Date"] = formatdate(usegmt=True)
    made["Message-ID"] = message_id
    made["Auto-Submitted"] = "auto-generated"
    return made


def _person(email: str, name: str) -> str:
    """One address as a header has it. Names come from people: what could end a header or begin another address is no name."""
    if not is_address(email):
        raise Refused(f"{email!r} is not an e-mail address")
    return formataddr((_one_line(one_line(name)), email))


def new_message_id() -> str:
    """An id for a message, with the sender's domain."""
    return make_msgid(domain=parseaddr(_sender())[1].rpartition("@")[2])


@contextmanager
def server() -> Iterator[smtplib.SMTP]:
    """The mail server, logged in. Raises NoMailServer, and Refused if it does not answer or refuses the login."""
    host, port, security = environ.SMTP_HOST.get(), environ.SMTP_PORT.get(), environ.SMTP_SECURITY.get()
    if not host:
        raise NoMailServer("no mail server is set: set PULSE_SMTP_HOST and PULSE_SMTP_FROM")
    if security not in ("starttls", "tls", "none"):
        raise NoMailServer(f"PULSE_SMTP_SECURITY must be starttls, tls or none, not {security!r}")
    _sender()
    try:
        connection = (
            smtplib.SMTP_SSL(host, port, timeout=TIMEOUT_SECONDS, context=ssl.create_default_context())
            if security == "tls"
            else smtplib.SMTP(host, port, timeout=TIMEOUT_SECONDS)
        )
        if security == "starttls":
            connection.starttls(context=ssl.create_default_context())
        if environ.SMTP_USER.get():
            connection.login(environ.SMTP_USER.get(), environ.SMTP_PASSWORD.get())
    except (OSError, smtplib.SMTPException) as error:
        raise Refused(f"the mail server {host}:{port} cannot be used: {error}") from error
    try:
        yield connection
    finally:
        connection.close()


def send(connection: smtplib.SMTP, made: EmailMessage) -> None:
    """Give one message to the server. Raises Refused or Unsure."""
    try:
        connection.send_message(made)
    except (smtplib.SMTPResponseException, smtplib.SMTPRecipientsRefused) as error:
        raise Refused(f"the mail server refused it: {error}") from error
    except (OSError, smtplib.SMTPException) as error:
        raise Unsure(f"the connection to the mail server broke: {error}") from error


def _sender() -> str:
    sender = environ.SMTP_FROM.get()
    if "@" not in parseaddr(sender)[1]:
        raise NoMailServer("PULSE_SMTP_FROM must be an address: Pulse <pulse@example.com>")
    return sender


def _one_line(text: str) -> str:
    return " ".join(text.split())
