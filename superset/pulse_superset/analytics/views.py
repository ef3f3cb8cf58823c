"""The addresses of the analytics API. The guard of every request (doors) has found out who asks and lets only people in."""

from __future__ import annotations

import csv
import hashlib
import io
import json
import logging
from datetime import date, datetime
from decimal import Decimal
from typing import Any
from urllib.parse import urlencode

from flask import Blueprint, Response, g, jsonify, request

from pulse.languages import ENGLISH
from pulse_superset import accounts, answers, branding, identity, versions
from pulse_superset.analytics import reading
from pulse_superset.analytics.document import document
from pulse_superset.analytics.resources import DOCUMENT, PAGE, RESOURCES, ROOT, ROWS, Resource
from pulse_superset.brief import page as pages
from pulse_superset.connections import login_for

AWAY = "The data cannot be read at the moment. Try again in a minute."

logger = logging.getLogger(__name__)


def add_to(blueprint: Blueprint) -> None:
    """Add the addresses."""
    for rule, name, view in (
        (DOCUMENT, "api_document", _document),
        (PAGE, "api_page", _page),
        (ROWS, "api_rows", _rows),
    ):
        blueprint.add_url_rule(rule, name, _answering(view))


def _answering(view: Any) -> Any:
    def answer(**values: Any) -> Any:
        known = identity.of_request()
        if known is None:
            return _refusal(401, "Nobody is signed in.")
        try:
            return view(login_for(known.roles), frozenset(known.clients), **values)
        except reading.BadRequest as error:
            return _refusal(400, str(error))
        except accounts.DatabaseAway as away:
            logger.warning("the analytics API cannot read: %s", away)
            return *_refusal(503, AWAY), {"Retry-After": "30"}

    answer.__name__, answer.__module__ = view.__name__, __name__
    return answer


def _refusal(status: int, message: str) -> tuple[Any, int]:
    answers.say(message)
    return jsonify(message=message), status


def _document(login: str, _clients: frozenset[int]) -> Any:
    return jsonify(document(login))


def _page(login: str, clients: frozenset[int]) -> Any:
    brand = branding.brand_of(min(clients)) if len(clients) == 1 else branding.HOUSE
    fields = {name: reading.columns(login, one) for name, one in RESOURCES.items()}
    html, g.pulse_policy = pages.render(
        "pulse/api.html", brand, "system", ENGLISH, root=ROOT, document=DOCUMENT, resources=RESOURCES, fields=fields
    )
    return html


def _rows(login: str, clients: frozenset[int], resource: str) -> Any:
    if resource not in RESOURCES:
        return _refusal(404, f"There is no {resource[:60]!r}: there are {', '.join(RESOURCES)}.")
    given = dict(request.args.lists())
    kind = given.get("format", [""])[0] or request.accept_mimetypes.best_match(["application/json", "text/csv"], "")
    if kind not in ("json", "csv", "application/json", "text/csv"):
        raise reading.BadRequest("format: must be json or csv")
    as_csv = kind.endswith("csv")
    tag = _tag(RESOURCES[resource], login, clients, as_csv)
    if request.if_none_match.contains_weak(tag):
        return _tagged(Response(status=304), tag)
    page = reading.page(login, RESOURCES[resource], given)
    rest = [(name, value) for name, values in given.items() if name != "cursor" for value in values]
    after = f"{request.path}?{urlencode([*rest, ('cursor', page.cursor)])}" if page.cursor else None
    columns = [column.name for column in reading.columns(login, RESOURCES[resource])]
    answer = _csv(columns, page.rows) if as_csv else _json({"data": page.rows, "next": after})
    if after:
        answer.headers["Link"] = f'<{after}>; rel="next"'
    return _tagged(answer, tag)


def _tag(resource: Resource, login: str, clients: frozenset[int], as_csv: bool) -> str:
    """What an answer depends on: who reads which version of the data, and what was asked for."""
    parts = (login, versions.cache_key(resource.view, clients), request.full_path, "csv" if as_csv else "json")
    return hashlib.sha256("\n".join(parts).encode("utf-8", "surrogatepass")).hexdigest()[:32]


def _tagged(answer: Response, tag: str) -> Response:
    answer.set_etag(tag, weak=True)
    answer.headers["Vary"] = "Accept, Authorization, Cookie"
    return answer


def _json(content: dict[str, Any]) -> Response:
    return Response(json.dumps(content, default=_plain, ensure_ascii=False), mimetype="application/json")


def _plain(value: Any) -> Any:
    if isinstance(value, datetime | date):
        return value.isoformat()
    if isinstance(value, Decimal):
        return int(value) if value == value.to_integral_value() else float(value)
    raise TypeError(f"{type(value).__name__} cannot be written as JSON")


def _csv(columns: list[str], rows: list[dict[str, Any]]) -> Response:
    """With a header. Lists and objects are JSON; a text that a spreadsheet would take for a formula gets an apostrophe."""
    out = io.StringIO()
    writer = csv.writer(out)
    writer.writerow(columns)
    writer.writerows([_cell(row[name]) for name in columns] for row in rows)
    return Response(out.getvalue(), mimetype="text/csv")


def _cell(value: Any) -> Any:
    if isinstance(value, list | dict):
        value = json.dumps(value, default=_plain, ensure_ascii=False)
    if isinstance(value, datetime | date):
        return value.isoformat()
    if isinstance(value, str) and value[:1] in ("=", "+", "-", "@", "\t", "\r"):
        return f"'{value}"
    return value
