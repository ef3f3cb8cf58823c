"""The viewer's own colour where a dashboard's settings ask for it: the assets are the same for everybody, brands are not."""

from __future__ import annotations

import json
import re
from typing import Any

from flask import Response, request

from pulse_superset.branding import current_brand

_BRAND = re.compile(r"brand (\d)")  # as a colour in `label_colors` (superset/assets/defaults.yaml)
_DASHBOARD = re.compile(r"/api/v1/dashboard/[^/]+")


def paint(response: Response) -> Response:
    """An after_request hook: among a dashboard's colours, `brand 1` becomes the first colour of the viewer's charts."""
    if response.status_code != 200 or request.method != "GET" or not _DASHBOARD.fullmatch(request.path):
        return response
    body = response.get_json()
    result = body.get("result") if isinstance(body, dict) else None
    if isinstance(result, dict) and isinstance(result.get("json_metadata"), str):
        metadata = json.loads(result["json_metadata"])
        metadata["label_colors"] = painted(metadata.get("label_colors") or {}, current_brand().chart_colors())
        result["json_metadata"] = json.dumps(metadata)
        response.set_data(json.dumps(body))
    return response


def painted(colors: dict[str, Any], brand: list[str]) -> dict[str, Any]:
    """These colours by label, with the brand's where they are asked for by number."""
    asked = {label: _BRAND.fullmatch(str(color)) for label, color in colors.items()}
    return {label: brand[int(found[1]) - 1] if (found := asked[label]) else color for label, color in colors.items()}
