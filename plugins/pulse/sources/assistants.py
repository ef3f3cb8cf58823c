"""Signs of AI in what people write with it: the trailers and footers that tools leave, by the dated list in assistants.csv.

Only what identifies a tool is a sign: an e-mail address, the number of a GitHub account, a footer with the tool's own address.
Names are none, because Claude, Devin and Jules are people, too. Nothing of a message is kept but the tools' names. Whoever
uses a tool that leaves no sign, or removes it, is not seen, so every count of signs is a lower bound.
"""

from __future__ import annotations

import csv
import functools
import re
from collections import defaultdict
from pathlib import Path

LIST = Path(__file__).with_name("assistants.csv")

# Trailers that say who made a change. Who reviewed, tested or reported did not.
_MADE_BY = re.compile(
    r"^[ \t]*(?:co-authored|co-developed|assisted|ai-assisted|generated|signed-off)-by[ \t]*:[ \t]*(.+)$", re.I | re.M
)
_TRAILER = re.compile(r"^[ \t]*([a-z][a-z0-9-]{1,60})[ \t]*:[ \t]*\S", re.I | re.M)
_FOOTER = re.compile(r"^[^\w\n>]*generated (?:with|by) .{0,80}?https?://(?:www\.)?([^\s)>]+)", re.I | re.M)
_ADDRESS = re.compile(r"<([^<>\s]+@[^<>\s]+)>")
# "Assisted-by: Claude:claude-opus-4 coccinelle", as the Linux kernel asks for: a tool, and its version.
_NAMED = re.compile(r"([A-Za-z][A-Za-z0-9 ]{0,30}?):[A-Za-z0-9]")
_GITHUB_ADDRESS = re.compile(r"(\d{1,12})\+[^@]+@users\.noreply\.github\.com")


def assistants_in(text: str | None, author_email: str | None = None) -> list[str]:
    """The tools of which a commit's message (or a pull request's text) or its author's e-mail address bears a sign.

    Sorted names as in assistants.csv; empty when there is no sign.
    """
    found = set()
    if isinstance(author_email, str):
        found.add(_by_address(author_email))
    if isinstance(text, str) and text:
        for made_by in _MADE_BY.findall(text):
            found |= {_by_address(address) for address in _ADDRESS.findall(made_by)}
            if named := _NAMED.match(made_by):
                found.add(_signs()["name"].get(named[1].lower()))
        found |= {_signs()["trailer"].get(key.lower()) for key in _TRAILER.findall(text)}
        found |= {_by_footer(address.lower()) for address in _FOOTER.findall(text)}
    return sorted(tool for tool in found if tool)


def _by_address(address: str) -> str | None:
    address = address.lower()
    if account := _GITHUB_ADDRESS.fullmatch(address):
        return _signs()["github_id"].get(account[1])
    return _signs()["email"].get(address) or _signs()["domain"].get(address.rpartition("@")[2])


def _by_footer(address: str) -> str | None:
    return next(
        (tool for start, tool in _signs()["footer"].items() if re.match(re.escape(start) + r"(?![\w-])", address)), None
    )


@functools.cache
def _signs() -> dict[str, dict[str, str]]:
    """Kind of sign → value → tool."""
    signs: dict[str, dict[str, str]] = defaultdict(dict)
    with LIST.open(encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file):
            signs[row["sign"]][row["value"]] = row["tool"]
    return signs
