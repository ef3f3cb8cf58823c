"""The viewer's own colour where a dashboard's settings ask for it: the assets are the same for everybody, brands are not."""

from __future__ import annotations

import json
import re
from typing import Any

from flask import Response, request

from pulse_superset.branding import current_brand

BRAND = "brand"  # as a colour in `label_colors` (superset/assets/defaults.yaml)
_DASHBOARD = re.compile(r"/api/v1/dashboard/[^/]+")


def paint(response: Response) -> Response:
    """An after_request hook: among a dashboard's colours, `brand` becomes the first colour of the viewer's charts."""
    if response.status_code != 200 or request.method != "GET" or not _DASHBOARD.fullmatch(request.path):
        return response
    body = response.get_json()
    result = body.get("result") if isinstance(body, dict) else None
    if isinstance(result, dict) and isinstance(result.get("json_metadata"), str):
        metadata = json.loads(result["json_metadata"])
        metadata["label_colors"] = painted(metadata.get("label_colors") or {}, current_brand().chart_colors()[0])
        result["json_metadata"] = json.dumps(metadata)
        response.set_data(json.dumps(body))
    return response


def painted(colors: dict[str, Any], color: str) -> dict[str, Any]:
    """These colours by label, with this one where the brand's is asked for."""
    return {label: color if value == BRAND else value for label, value in colors.items()}
