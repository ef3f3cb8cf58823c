"""Secrets: generated once, stable, complete, for the owner's eyes only."""

from __future__ import annotations

import base64
import os
from pathlib import Path

import pytest

from stack.errors import StackError
from stack.secret_file import FILE_NAME, GENERATORS, demo_password, load_secrets


def test_generated_once_and_kept(tmp_path: Path) -> None:
    first = load_secrets(tmp_path)
    assert set(first) == set(GENERATORS)
    assert all(len(value) >= 20 for value in first.values())
    assert len(set(first.values())) == len(first)
    assert load_secrets(tmp_path) == first


def test_only_the_owner_may_read_them(tmp_path: Path) -> None:
    old = os.umask(0)
    try:
        load_secrets(tmp_path)
    finally:
        os.umask(old)
    path = tmp_path / FILE_NAME
    assert path.stat().st_mode & 0o777 == 0o600
    path.chmod(0o644)
    load_secrets(tmp_path)
    assert path.stat().st_mode & 0o777 == 0o600
    assert [p.name for p in tmp_path.iterdir()] == [FILE_NAME]


def test_a_later_version_adds_what_is_missing_and_keeps_the_rest(tmp_path: Path) -> None:
    first = load_secrets(tmp_path)
    path = tmp_path / FILE_NAME
    kept = [line for line in path.read_text().splitlines() if not line.startswith("PULSE_JWT_SECRET")]
    path.write_text("\n".join(kept) + "\nPULSE_OWN_ADDITION=x=y\n")
    again = load_secrets(tmp_path)
    assert again["PULSE_JWT_SECRET"] != first["PULSE_JWT_SECRET"]
    assert again["PULSE_ROLE_SECRET"] == first["PULSE_ROLE_SECRET"]
    assert load_secrets(tmp_path)["PULSE_OWN_ADDITION"] == "x=y"


def test_the_fernet_key_is_one(tmp_path: Path) -> None:
    assert len(base64.urlsafe_b64decode(load_secrets(tmp_path)["PULSE_FERNET_KEY"])) == 32


def test_demo_passwords_differ_by_user_and_installation() -> None:
    one = demo_password("secret", "ceo@techcorp.example")
    assert one == demo_password("secret", "ceo@techcorp.example")
    assert len({one, demo_password("secret", "ceo@acme.example"), demo_password("other", "ceo@techcorp.example")}) == 3
    assert len(one) >= 16


def test_a_folder_in_the_way_is_explained(tmp_path: Path) -> None:
    (tmp_path / FILE_NAME).mkdir()
    with pytest.raises(StackError, match=str(tmp_path)):
        load_secrets(tmp_path)
