"""What counts as an e-mail address: one person's, as the web's forms have it, in ASCII and without anything that a mail's header
could take for a second address or a line of its own. Standard library only."""

from __future__ import annotations

import re

LONGEST = 254
_PART = r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+"
_LABEL = r"[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?"
PATTERN = rf"^{_PART}(\.{_PART})*@{_LABEL}(\.{_LABEL})+$"
_ADDRESS = re.compile(PATTERN[1:-1])


def is_address(text: str) -> bool:
    """Whether a text is an e-mail address that Pulse may write to."""
    return len(text) <= LONGEST and len(text.partition("@")[0]) <= 64 and _ADDRESS.fullmatch(text) is not None


def domain_of(address: str) -> str:
    """The part after the @, in small letters."""
    return address.rpartition("@")[2].lower()
