"""Spoiling a part of a real answer: a null where an object belongs, an error with a path, a byte that is no JSON."""

from __future__ import annotations

import json
import re
from typing import Any

from starlette.responses import Response

from sandbox.state import Fault


def spoiled(response: Response, fault: Fault) -> Response:
    """The answer with what the fault changes; other answers than JSON stay as they are."""
    text = bytes(response.body)
    if fault.changes or fault.errors:
        try:
            body = json.loads(text)
        except ValueError:
            return response
        for change in fault.changes:
            _put(body, change["path"], change["value"])
        if fault.errors and isinstance(body, dict):
            body["errors"] = [*(body.get("errors") or []), *fault.errors]
        text = json.dumps(body).encode()
    if fault.replace:
        pattern, instead = fault.replace
        text = re.sub(pattern, lambda _: instead, text.decode("latin-1")).encode("latin-1")
    headers = {name: value for name, value in response.headers.items() if name.lower() != "content-length"}
    return Response(text, fault.status or response.status_code, {**headers, **fault.headers})


def _put(value: Any, path: list[Any], new: Any) -> None:
    """Set what is at a path, where the path exists."""
    step, rest = path[0], path[1:]
    places = range(len(value)) if step == "*" and isinstance(value, list) else [step]
    for place in places:
        try:
            inner = value[place]
        except (LookupError, TypeError):
            continue
        if not rest:
            value[place] = new
        elif inner is not None:
            _put(inner, rest, new)
