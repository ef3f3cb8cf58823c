"""Writes what the declarations say into docs/: `python -m pulse.clients.document`.

It writes docs/client.schema.json, and the tables in docs/ between a line `<!-- generated: NAME ... -->` and a line
`<!-- end -->`. Run it after any change to the models of the Variable or to the settings.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from pulse.clients.embedding import Embedding
from pulse.clients.integration import CommonIntegration
from pulse.clients.schema import Place
from pulse.clients.settings import (
    FEATURE_MEANING,
    CostSettings,
    DoraSettings,
    IngestSettings,
    PrivacySettings,
    QualitySettings,
    TargetSettings,
    WorkSettings,
)
from pulse.clients.sign_in import SingleSignOn
from pulse.clients.spec import Branding, ClientSpec, User, json_schema
from pulse.source_types import declarations

DOCS = Path(__file__).resolve().parents[3] / "docs"
SCHEMA = DOCS / "client.schema.json"
_BLOCK = re.compile(r"(<!-- generated: (\w+) .*?-->\n).*?(<!-- end -->)", re.DOTALL)

_FIELDS = ("field", "default", "allowed", "meaning")
_HIDDEN = ("type", "branding", "users", "sso", "embedding", "settings", "integrations")


def wanted() -> dict[Path, str]:
    """Every generated file, and every file with a generated table, with the text that it should have."""
    files = {SCHEMA: json.dumps(json_schema(), indent=2, ensure_ascii=False) + "\n"}
    for path in sorted(DOCS.glob("*.md")):
        text = path.read_text(encoding="utf-8")
        if _BLOCK.search(text):
            files[path] = _BLOCK.sub(lambda found: f"{found[1]}\n{_TABLES[found[2]]()}\n{found[3]}", text)
    return files


def main() -> None:
    """Write the files that differ, and name them."""
    for path, text in wanted().items():
        if not path.exists() or path.read_text(encoding="utf-8") != text:
            path.write_text(text, encoding="utf-8")
            print(f"wrote {path.relative_to(DOCS.parent)}")


def _client_table() -> str:
    parts = (
        (ClientSpec, ""),
        (Branding, "branding."),
        (User, "users[]."),
        (SingleSignOn, "sso."),
        (Embedding, "embedding."),
    )
    rows = [row for model, prefix in parts for row in _rows(model, prefix)]
    return _table(_FIELDS, rows)


def _integration_table(model: type[BaseModel]) -> Callable[[], str]:
    return lambda: _table(_FIELDS, _rows(model, "integrations[]."))


def _settings_table() -> str:
    feature = ["`feature.<integration>`", "`true`", "true or false", FEATURE_MEANING]
    quality = [
        "`quality.<check>`",
        "by check",
        "one of block, warn, off",
        "the severity of a [quality check](metrics.md#quality-checks)",
    ]
    groups = [
        row
        for group in (TargetSettings, WorkSettings, CostSettings, PrivacySettings, IngestSettings)
        for row in _rows(group)
    ]
    return _table(("setting", *_FIELDS[1:]), [*_rows(DoraSettings), quality, *groups, feature])


def _quality_table() -> str:
    rows = [
        [name.replace("quality.", ""), severity.strip('`"'), meaning]
        for name, severity, _, meaning in _rows(QualitySettings)
    ]
    return _table(("check", "severity", "what it says"), rows)


_TABLES: dict[str, Callable[[], str]] = {
    "client": _client_table,
    "integration": _integration_table(CommonIntegration),
    **{name: _integration_table(model) for name, model in declarations().items()},
    "settings": _settings_table,
    "quality": _quality_table,
}


def _rows(model: type[BaseModel], prefix: str = "") -> list[list[str]]:
    """A row for each field that the model itself declares: name, default, what is allowed, meaning."""
    schema = model.model_json_schema()
    whole = Place(schema)
    aliases = {field.alias or name for name, field in model.model_fields.items() if name in model.__annotations__}
    rows = []
    for name in whole.names():
        place = whole.step(name)
        if place is None or name in _HIDDEN or name not in aliases:
            continue
        default = "required" if name in schema.get("required", ()) else _default(place.node.get("default"))
        rows.append([f"`{prefix}{name}`", default, place.allowed(), _meaning(place.node)])
    return rows


def _default(value: Any) -> str:
    return "none" if value in (None, "") else f"`{json.dumps(value, ensure_ascii=False)}`"


def _meaning(node: dict[str, Any]) -> str:
    text = str(node.get("description", ""))
    if node.get("type") in ("array", "object") and "examples" in node:
        text += f". Example: `{json.dumps(node['examples'][0], ensure_ascii=False)}`"
    return text


def _table(heads: tuple[str, ...], rows: list[list[str]]) -> str:
    lines = [list(heads), ["---"] * len(heads), *rows]
    return "".join("| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |\n" for line in lines)


if __name__ == "__main__":
    main()
