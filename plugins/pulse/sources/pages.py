"""Web pages that come where JSON belongs: what stands before the API and wants a person."""

from __future__ import annotations

import re

import requests

SIGN_IN, CAPTCHA = "a sign-in page", "a CAPTCHA"
_LOOKED_AT = 20_000
_IS_PAGE = re.compile(rb"\s*(?:\xef\xbb\xbf)?\s*<(?:!doctype|html|head|body|\?xml|!--|script|meta)", re.IGNORECASE)
_CAPTCHA_WORDS = re.compile(rb"captcha|just a moment|challenge-platform|are you (?:a )?human|attention required", re.I)
_SIGN_IN_WORDS = re.compile(
    rb"sign[ -]?in|log[ -]?in|single sign-on|\bsso\b|saml|type=[\"']?password|authenticat", re.IGNORECASE
)


def is_web_page(response: requests.Response) -> bool:
    """Whether an answer is a web page."""
    return _IS_PAGE.match(response.content[:_LOOKED_AT]) is not None


def kind_of(response: requests.Response) -> str | None:
    """What a person would see instead of the API: SIGN_IN or CAPTCHA; None if it is neither."""
    denied = response.headers.get("X-Authentication-Denied-Reason", "")  # Jira, after failed logins
    if "captcha" in denied.lower() or response.headers.get("cf-mitigated", "").lower() == "challenge":
        return CAPTCHA
    if not is_web_page(response):
        return None
    text = response.content[:_LOOKED_AT]
    if _CAPTCHA_WORDS.search(text):
        return CAPTCHA
    return SIGN_IN if _SIGN_IN_WORDS.search(text) else None
