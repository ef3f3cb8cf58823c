"""Password hashes as core.users holds them: scrypt, in werkzeug's notation."""

from __future__ import annotations

from werkzeug.security import check_password_hash, generate_password_hash

METHOD = "scrypt:32768:8:1"


def hash_password(password: str) -> str:
    """A new salted hash, 'scrypt:32768:8:1$<salt>$<128 hex digits>'."""
    return generate_password_hash(password, METHOD)


def verifies(password: str, password_hash: str) -> bool:
    """Whether the hash belongs to this password; False for a hash in any other notation."""
    try:
        return password_hash.startswith("scrypt:") and check_password_hash(password_hash, password)
    except ValueError:
        return False
