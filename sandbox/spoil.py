"""Spoiling a part of a real answer: a null where an object belongs, an error with a path, a byte that is no JSON."""

from __future__ import annotations

import json
import random
import re
from typing import Any

from starlette.responses import Response

from sandbox.state import Fault

ODD_SHARE = 0.2
ODD: list[Any] = [None, [], {}, "", "x", -1, 0, 3.5, 10**30, True, [None], {"nodes": None}, "2026-W05-1", "长" * 3000]


def spoiled(response: Response, fault: Fault) -> Response:
    """The answer with what the fault changes; other answers than JSON stay as they are."""
    text = bytes(response.body)
    if fault.no_content and _is_empty_list(text):
        return Response(status_code=204)
    if fault.changes or fault.errors or fault.odd is not None:
        try:
            body = json.loads(text)
        except ValueError:
            return response
        for change in fault.changes:
            _put(body, change["path"], change["value"])
        if fault.odd is not None:
            _make_odd(body, random.Random(fault.odd * 1_000_003 + fault.count))
        if fault.errors and isinstance(body, dict):
            body["errors"] = [*(body.get("errors") or []), *fault.errors]
        text = json.dumps(body).encode()
    if fault.replace:
        pattern, instead = fault.replace
        text = re.sub(pattern, lambda _: instead, text.decode("latin-1")).encode("latin-1")
    headers = {name: value for name, value in response.headers.items() if name.lower() != "content-length"}
    return Response(text, fault.status or response.status_code, {**headers, **fault.headers})


def _is_empty_list(text: bytes) -> bool:
    try:
        body = json.loads(text)
    except ValueError:
        return False
    lists = [one for one in body.values() if isinstance(one, list)] if isinstance(body, dict) else [body]
    return lists == [[]]


def _make_odd(body: Any, chance: random.Random) -> None:
    """Give one field of an answer a value of another kind, in one answer of five."""
    if chance.random() >= ODD_SHARE:
        return
    value = body
    while isinstance(value, dict | list) and value:
        place = chance.choice(list(value) if isinstance(value, dict) else range(len(value)))
        inner = value[place]
        if not isinstance(inner, dict | list) or not inner or chance.random() < 0.15:
            value[place] = chance.choice(ODD)
            return
        value = inner


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
