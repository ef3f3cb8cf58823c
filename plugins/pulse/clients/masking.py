"""What Airflow does to a Variable in its forms, lists and API: the value of a key with a telling name is shown as `***`.

Whoever then saves the form stores the mask. So no key of a client's Variable has such a name, keys that had one are still
read under it, and a mask is refused wherever it stands.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

# airflow._shared.secrets_masker.DEFAULT_SENSITIVE_FIELDS. A key is hidden if its name contains one of them.
HIDDEN_NAMES = (
    *("access_key", "access_token", "api_key", "apikey", "auth_header", "authorization", "bearer"),
    *("connection_string", "dsn", "passphrase", "passwd", "password", "private_key", "proxy", "proxy_password"),
    *("proxies", "secret", "service_account", "service_key", "token", "keyfile_dict", "webhook_url"),
)
# What each old name is called now, or where its value belongs.
MOVED = {
    "token": "put the token into the Connection and remove the key (docs/client-variable.md, Tokens)",
    "token_expires": "call it expires_on",
    "password": "remove it; its hash may stand in scrypt (docs/client-variable.md, Passwords)",
    "password_hash": "call it scrypt",
}
_MASK = re.compile(r"\*{3,}")


def is_hidden(name: str) -> bool:
    """Whether Airflow hides the value of a key, or of a Variable, with this name."""
    return bool(hidden_part(name))


def hidden_part(name: str) -> str:
    """The part of a name for which Airflow hides the value; empty if it does not."""
    normalised = re.sub(r"\W+", "_", name.strip().lower())
    return next((part for part in HIDDEN_NAMES if part in normalised), "")


def is_masked(text: str, key: str = "token") -> bool:
    """Whether a text is what Airflow shows instead of a secret; one that is no secret, by its key, must not contain it either."""
    found = _MASK.fullmatch(text.strip()) if is_hidden(key) else _MASK.search(text)
    return found is not None


def masked_places(value: Any) -> list[str]:
    """Where a declaration holds Airflow's mask, as paths that an admin would write."""
    return [path for path, key, held in _places(value) if isinstance(held, str) and is_masked(held, key)]


def refusal(path: str) -> str:
    """Why a mask is refused at a place, and the way out, as the rest of a sentence about it."""
    way_out = MOVED.get(path.rpartition(".")[2], "")
    return (
        f"is '***', which Airflow shows instead of a secret: the Variable was saved from a form that hid it."
        f" Enter the value again{', or ' + way_out if way_out else ''}"
    )


def hidden_keys(value: Any) -> list[str]:
    """A line for each key whose value Airflow hides: it is read, but the next edit in a form would lose it."""
    found = []
    for path, key, held in _places(value):
        if key and is_hidden(key) and isinstance(held, str | list | dict):
            way_out = MOVED.get(
                key, "write the object as a list of pairs, [[name, value], …], in which nothing is hidden"
            )
            found.append(
                f"{path}: Airflow hides the value of a key with this name, and whoever saves the Variable in a form stores"
                f" '***' in its place: {way_out}"
            )
    return found


def object_of_pairs(given: Any) -> Any:
    """An object that was written as a list of pairs, so that Airflow sees no key in it; anything else as it is."""
    if not isinstance(given, list) or not all(isinstance(one, list) and len(one) == 2 for one in given):
        return given
    names = [name for name, _ in given if isinstance(name, str)]
    return dict(given) if len(set(names)) == len(given) else given


def _places(value: Any, path: str = "", key: str = "") -> Iterator[tuple[str, str, Any]]:
    """Every value with its path and the key that it stands under; a name that is masked itself counts, too."""
    yield path or "the JSON", key, value
    if isinstance(value, dict):
        for name, held in value.items():
            inside = f'["{name}"]' if "." in name else f".{name}"
            yield from _places(held, f"{path}{inside}" if path else name, name)
            if is_masked(name, ""):
                yield path or "the JSON", "", name
    elif isinstance(value, list):
        for place, held in enumerate(value):
            yield from _places(held, f"{path}[{place}]")
