"""Signs of AI: every identity of the list, and the people and words that must not match."""

from __future__ import annotations

import csv

import pytest

from pulse.sources.assistants import LIST, assistants_in
from pulse.sources.github import records

FOOTERS = {
    "claude.ai/code": "🤖 Generated with [Claude Code](https://claude.ai/code)",
    "claude.com/claude-code": "🤖 Generated with [Claude Code](https://claude.com/claude-code)",
}
SIGNS = {
    "email": lambda value: f"Co-authored-by: Whatever It Is Called <{value.upper()}>",
    "domain": lambda value: f"Co-authored-by: aider (some-model) <aider@{value}>",
    "github_id": lambda value: f"Co-authored-by: renamed[bot] <{value}+renamed[bot]@users.noreply.github.com>",
    "footer": lambda value: FOOTERS[value],
    "trailer": lambda value: f"{value.title()}: 8f0b",
    "name": lambda value: f"Assisted-by: {value.title()}:some-model-4 coccinelle sparse",
}


def identities() -> list[tuple[str, str, str]]:
    with LIST.open(encoding="utf-8", newline="") as file:
        return [(row["tool"], row["sign"], row["value"]) for row in csv.DictReader(file)]


@pytest.mark.parametrize(("tool", "sign", "value"), identities())
def test_each_identity_is_found(tool: str, sign: str, value: str) -> None:
    line = SIGNS[sign](value)
    assert assistants_in(f"Add a voucher\n\nIt was asked for.\n\n{line}\n") == [tool]
    assert assistants_in(f"Squash\n\n* one\n\n  {line}\r\n* two\nCo-authored-by: Ada <ada@example.com>") == [tool]
    if sign == "email":
        assert assistants_in("Add a voucher", value) == [tool], "as the author"


def test_several_tools_are_each_named_once() -> None:
    message = "\n".join(["Fix", "", *(SIGNS[sign](value) for _, sign, value in identities())])
    assert assistants_in(message + "\n" + message) == sorted({tool for tool, _, _ in identities()})


@pytest.mark.parametrize(
    "text",
    [
        "Co-authored-by: Claude Monet <claude@monet.example>",
        "Co-authored-by: Devin Booker <devin@example.com>",
        "Co-authored-by: Jules Verne <jules@example.com>",
        "Co-authored-by: Cody <12345+cody@users.noreply.github.com>",
        "Co-authored-by: claude <claude@users.noreply.github.com>",
        "Co-authored-by: someone <someone@anthropic.com>",
        "Co-authored-by: evil <noreply@anthropic.com.example.com>",
        "Co-authored-by: evil <noreply@aider.chat.example.com>",
        "Co-authored-by: evil <noreply@notaider.chat>",
        "Co-authored-by: not an id <1198982749+Copilot@users.noreply.github.com>",
        "Assisted-by: Claude Monet <claude@monet.example>",
        "Assisted-by: Jules",
        "Reviewed-by: Claude <noreply@anthropic.com>",
        "Reported-by: Copilot <198982749+Copilot@users.noreply.github.com>",
        "> Co-authored-by: Claude <noreply@anthropic.com>",
        "Move the cursor to the codex, continue with claude",
        "Do not call noreply@anthropic.com",
        "Generated with protoc https://protobuf.dev",
        "Generated with [Claude Codes](https://claude.ai/code-of-conduct)",
        "See https://claude.ai/code",
        "",
    ],
)
def test_people_and_words_are_no_sign(text: str) -> None:
    assert assistants_in(f"Add a voucher\n\n{text}") == []


@pytest.mark.parametrize("odd", [None, 7, True, [], {}, ["Co-authored-by: Claude <noreply@anthropic.com>"]])
def test_what_is_no_text_bears_no_sign(odd: object) -> None:
    assert assistants_in(odd, odd) == []  # type: ignore[arg-type]


def test_a_long_message_is_read_quickly_and_nothing_of_it_is_kept() -> None:
    """The patterns go through a text once, whatever it holds."""
    secret = "do not store this"
    message = "\n".join(
        ["co-authored-by:" + " " * 50_000, "generated with " * 20_000, "a" * 50_000 + ":", "<" * 50_000, secret]
    )
    node = {
        "oid": "a" * 40,
        "committedDate": "2026-01-01T00:00:00Z",
        "message": message + "\n\nCo-authored-by: Claude <noreply@anthropic.com>",
        "author": {"email": "ada@example.com", "user": {"login": "ada"}},
    }
    row = records.commit(node, "1")
    assert row.payload["assistedBy"] == ["Claude Code"]
    assert secret not in str(row.payload)
    assert "example.com" not in str(row.payload)
    assert row.payload["author"] == {"user": {"login": "ada"}}


@pytest.mark.parametrize("author", [None, {}, "ada", 7, [], {"email": None}, {"email": 7, "user": None}])
def test_a_commit_with_an_odd_author_is_read(author: object) -> None:
    node = {"oid": "a" * 40, "committedDate": "2026-01-01T00:00:00Z", "message": 5, "author": author}
    assert records.commit(node, "1").payload["assistedBy"] == []
