"""Password hashes as core.users holds them: scrypt, in the notation that werkzeug also uses."""

from __future__ import annotations

import hashlib
import hmac
import secrets

_N, _R, _P = 32768, 8, 1


def hash_password(password: str) -> str:
    """A new salted hash, 'scrypt:32768:8:1$<salt>$<128 hex digits>'."""
    salt = secrets.token_urlsafe(12)
    return f"scrypt:{_N}:{_R}:{_P}${salt}${_digest(password, salt, _N, _R, _P)}"


def verifies(password: str, password_hash: str) -> bool:
    """Whether the hash belongs to this password; False for a hash in any other notation."""
    try:
        method, salt, digest = password_hash.split("$", 2)
        name, n, r, p = method.split(":")
        return name == "scrypt" and hmac.compare_digest(_digest(password, salt, int(n), int(r), int(p)), digest)
    except ValueError:
        return False


def _digest(password: str, salt: str, n: int, r: int, p: int) -> str:
    return hashlib.scrypt(password.encode(), salt=salt.encode(), n=n, r=r, p=p, maxmem=132 * n * r * p).hex()
