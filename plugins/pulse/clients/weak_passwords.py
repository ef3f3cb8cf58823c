"""Which passwords, and which hashes of them, a Variable may declare."""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import partial

from pulse import languages

Say = Callable[..., str]
ENGLISH: Say = partial(languages.say, languages.ENGLISH)

SHORTEST, LONGEST = 12, 256
FEWEST_CHARACTERS = 5
_HASH = re.compile(r"scrypt:(\d{1,12}):(\d{1,4}):(\d{1,4})\$([^$]{8,64})\$[0-9a-f]{128}")
# Memory is 128 * n * r bytes. Superset's login refuses more than 1 << 20 for n * r.
_LEAST_N, _LARGEST_WORK = 1 << 14, 1 << 20
_ROWS = (
    "abcdefghijklmnopqrstuvwxyz",
    "qwertyuiopasdfghjklzxcvbnm",
    "qwertzuiopasdfghjklyxcvbnm",
    "01234567890123456789",
)
_COMMON = re.compile(
    r"(passwor[dt]|passw0r[dt]|p[a@]ssw[o0]rd|qwert[yz]|welcome|willkommen|letmein|changeme|iloveyou|administrator|admin|"
    r"sunshine|princess|football|baseball|dragon|monkey|master|secret|superset|pulse|summer|winter|spring|autumn|login|test)+"
)


def weakness(password: str, email: str, say: Say = ENGLISH) -> str | None:
    """Why a password would be guessed soon, as the rest of a sentence that begins with "the password"; None if it is good.

    `say` puts it into another language.
    """
    if len(password) < SHORTEST:
        return say("needs at least {n} characters", n=SHORTEST)
    if len(password) > LONGEST:
        return say("may have at most {n} characters", n=LONGEST)
    small = password.casefold().strip()
    names = {email.casefold(), *email.casefold().split("@"), email.casefold().replace("@", "")}
    if small in names or _without_ends(small) in names:
        return say("is the e-mail address or a part of it: choose words that have nothing to do with the person")
    if len(set(small)) < FEWEST_CHARACTERS:
        return say("has fewer than {n} different characters", n=FEWEST_CHARACTERS)
    if re.fullmatch(r"(.{1,6}?)\1+.{0,5}", small):
        return say("repeats one short piece")
    if any(small in row * 3 or small[::-1] in row * 3 for row in _ROWS):
        return say("is a row of the keyboard or the alphabet")
    if _COMMON.fullmatch(_without_ends(small)) or not _without_ends(small):
        return say("is among those that are tried first: take several words that do not belong together")
    return None


def _without_ends(text: str) -> str:
    """A text without the digits and signs that people put around a word."""
    return re.sub(r"^[\W\d_]+|[\W\d_]+$", "", text)


def bad_hash(password_hash: str) -> str | None:
    """Why a hash cannot be used, as the rest of a sentence that begins with "password_hash"; None if it can."""
    match = _HASH.fullmatch(password_hash)
    if match is None:
        return "must have the form scrypt:32768:8:1$<salt>$<hex>"
    n, r, p = (int(match[number]) for number in (1, 2, 3))
    if n & (n - 1) or n < _LEAST_N or not 8 <= r <= 32 or not 1 <= p <= 4 or n * r > _LARGEST_WORK:
        return (
            f"has parameters out of range (scrypt:{n}:{r}:{p}): use scrypt:32768:8:1, or a power of 2 from {_LEAST_N} on,"
            f" r from 8 to 32, p from 1 to 4, and n * r at most {_LARGEST_WORK}"
        )
    return None
