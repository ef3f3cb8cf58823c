"""Superset's own translations, for visitors too, with the words mended that its package has wrong ("Sign in": "Nicht in").

Superset gives them to whoever has a permission of its own: the sign-in page would stay in English.
"""

from __future__ import annotations

import json
import re
from functools import cache
from typing import Any

from flask import Response, request

from pulse import languages
from pulse.languages import mark

_PATH = re.compile(r"/superset/language_pack/([a-z]{2})/")
WORDS = (
    *(mark("Sign in"), mark("Sign in with"), mark("Enter your login and password below:"), mark("Username:")),
    *(mark("Password:"), mark("Please enter your username"), mark("Please enter your password")),
    *(mark("Theme"), mark("Match system")),
)


def serve() -> Any:
    """Before a request: the pack of a language that we have; everything else goes on."""
    found = _PATH.fullmatch(request.path)
    language = found[1] if found else languages.ENGLISH
    if request.method != "GET" or language not in languages.LANGUAGES or language == languages.ENGLISH:
        return None
    return Response(_pack(language), mimetype="application/json")


@cache
def _pack(language: str) -> str:
    from superset.translations.utils import get_language_pack

    pack = json.loads(json.dumps(get_language_pack(language)))
    pack["locale_data"]["superset"].update({word: [languages.say(language, word)] for word in WORDS})
    return json.dumps(pack)
