"""Atlassian's document format as plain text."""

from __future__ import annotations

from typing import Any

_BLOCKS = {"paragraph", "heading", "listItem", "codeBlock", "blockquote", "tableRow", "panel", "rule"}


def plain_text(document: Any) -> str:
    """An Atlassian document (ADF) as plain text, including the addresses of links; a plain string stays as it is."""
    if document is None:
        return ""
    if isinstance(document, str):
        return document
    parts: list[str] = []
    _collect(document, parts)
    return "".join(parts).strip()


def _collect(node: Any, parts: list[str]) -> None:
    if isinstance(node, list):
        for child in node:
            _collect(child, parts)
        return
    if not isinstance(node, dict):
        return
    attributes = node.get("attrs") or {}
    if node.get("type") == "text":
        text = str(node.get("text", ""))
        links = [
            str(mark["attrs"]["href"])
            for mark in node.get("marks") or []
            if mark.get("type") == "link" and (mark.get("attrs") or {}).get("href")
        ]
        parts.append(text + "".join(f" {link} " for link in links if link != text))
    elif node.get("type") in ("inlineCard", "blockCard", "embedCard"):
        parts.append(f" {attributes.get('url', '')} ")
    elif node.get("type") == "hardBreak":
        parts.append("\n")
    else:
        _collect(node.get("content"), parts)
        if node.get("type") in _BLOCKS:
            parts.append("\n")
