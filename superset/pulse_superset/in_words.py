"""Dashboards in the reader's language: what the assets say in English is translated in the answers that describe them.

The assets are the same for everybody. Values are not touched: the views make them in the reader's language.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import Any

from flask import Response, request

from pulse.languages import ENGLISH
from pulse_superset import language

Say = Callable[[str], str]

_DESCRIBES = re.compile(r"/api/v1/dashboard/[^/]+(/charts|/datasets|/tabs)?|/api/v1/chart/\d+")
# Keys whose text is for people. Others, such as the names of columns and metrics, may be the same words.
TEXTS = frozenset(
    {
        *("dashboard_title", "slice_name", "sliceName", "description", "text", "verbose_name", "title", "tabs_title"),
        *("y_axis_title", "y_axis_title_secondary", "x_axis_title", "y_axis_label", "x_axis_label", "total_label"),
    }
)
_TEMPLATE = re.compile(r"(\{\{.*?\}\}|<[^>]*>)", re.S)
_ATTRIBUTE = re.compile(r'(?<= title=")[^"{]+(?=")')
_CONTENT = re.compile(r"(?<=content: ')[^']*[A-Za-z]{2}[^']*(?=')")
_BENCHMARK = re.compile(r"(DORA (?:\d{4} )?)(.+)")


def translate(response: Response) -> Response:
    """An after_request hook."""
    if language.of_request() == ENGLISH or response.status_code != 200 or not _DESCRIBES.fullmatch(request.path):
        return response
    response.set_data(json.dumps(spoken(response.get_json(), language.say)))
    return response


def spoken(value: Any, say: Say, key: str = "") -> Any:
    """A part of an answer with its texts said by `say`."""
    if isinstance(value, dict):
        if key == "verbose_map":
            return {name: say(text) for name, text in value.items()}
        return {name: _of_key(name, part, value, say) for name, part in value.items()}
    if isinstance(value, list):
        return [spoken(part, say, key) for part in value]
    return say(value) if isinstance(value, str) and key in TEXTS else value


def _of_key(name: str, part: Any, around: dict[str, Any], say: Say) -> Any:
    if name in ("json_metadata", "position_json") and isinstance(part, str):
        return json.dumps(spoken(json.loads(part), say))
    if name == "label_colors" and isinstance(part, dict):
        return {**part, **{say(label): color for label, color in part.items()}}
    if name == "css" and isinstance(part, str):
        return _CONTENT.sub(lambda found: say(found[0]), part)
    if name == "handlebarsTemplate" and isinstance(part, str):
        return template(part, say)
    if name == "name" and isinstance(part, str):
        if "filterType" in around:
            return say(part)
        if found := _BENCHMARK.fullmatch(part):
            return found[1] + say(found[2])
    if name == "all_tabs" and isinstance(part, dict):
        return {tab: say(text) for tab, text in part.items()}
    return spoken(part, say, name)


def template(text: str, say: Say) -> str:
    """A Handlebars template: what stands between tags and expressions, and titles of tags."""
    parts = []
    for part in _TEMPLATE.split(text):
        if part.startswith("<"):
            parts.append(_ATTRIBUTE.sub(lambda found: say(found[0]), part))
        elif part.startswith("{{") or not re.search("[A-Za-z]{2}", part):
            parts.append(part)
        else:
            inner = part.strip()
            parts.append(part.replace(inner, say(inner)))
    return "".join(parts)
