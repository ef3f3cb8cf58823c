"""People's texts as one line without invisible characters: a title must not make a heading, a row or a false name elsewhere.

A line break ends a cell of a spreadsheet or begins a heading where texts are shown as Markdown; a bidirectional or
zero-width character makes a text look like another.
"""

from __future__ import annotations

import re
from typing import Any

# Texts that are searched and not shown: their lines stay, because a pattern may look for the beginning of one.
SEARCHED = ("body", "description")

_BREAKS = "\t\n\v\f\r\x1c\x1d\x1e\x1f\x85\u2028\u2029"
_INVISIBLE = (
    "\x00-\x08\x0e-\x1b\x7f-\x84\x86-\x9f\xad\u061c\u180e\u200b\u200e\u200f\u202a-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb"
    "\U000e0000-\U000e007f"
)
_GAP = re.compile(f"[{_BREAKS} ]*[{_BREAKS}][{_BREAKS} ]*")
# Joiners belong to emoji and some scripts; beside a letter of ours they are a trick.
_HIDDEN = re.compile(f"[{_INVISIBLE}]|(?<=[\x20-\x7e])[\u200c\u200d]|[\u200c\u200d](?=[\x20-\x7e])")
# The same in JSON as UTF-8, where ASCII's control characters are escaped. It may find too much, but never too little.
_SUSPECT = re.compile(
    rb"\\[bfnrt]|\\u00|\x7f|\xc2[\x80-\x9f\xad]|\xd8\x9c|\xe1\xa0\x8e|\xe2(?:\x80[\x8b-\x8f\xa8-\xae]|\x81[\xa0-\xaf])"
    rb"|\xef\xbb\xbf|\xef\xbf[\xb9-\xbb]|\xf3\xa0[\x80\x81]"
)


def is_suspect(encoded: bytes) -> bool:
    """Whether a payload as JSON may hold a character that `tidy` changes."""
    return _SUSPECT.search(encoded) is not None


def one_line(text: str) -> str:
    """The text without invisible characters, each break with the blanks around it as one blank."""
    return _GAP.sub(" ", _HIDDEN.sub("", text)).strip() if has_trick(text) else text


def tidy(value: Any, name: str = "") -> Any:
    """A payload in which every text is one line; those that are only searched keep their line breaks."""
    if isinstance(value, str):
        return _HIDDEN.sub("", value) if name in SEARCHED else one_line(value)
    if isinstance(value, dict):
        return {one_line(key): tidy(item, key) for key, item in value.items()}
    if isinstance(value, list):
        return [tidy(item, name) for item in value]
    return value


def has_trick(text: str) -> bool:
    """Whether a text has a character that one line of a person's text does not have."""
    return _HIDDEN.search(text) is not None or any(character in _BREAKS for character in text)
