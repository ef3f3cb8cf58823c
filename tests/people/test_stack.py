"""In the running stack: the postman works in Airflow's API server, and ./pulse invite prints a link that Superset knows."""

from __future__ import annotations

import re
import subprocess
import time
from typing import Any

import requests

from stack.paths import ROOT
from tests.support.stack import client_ids, database

EMAIL = "invited@techcorp.example"


def test_the_postman_works_and_a_link_by_hand_opens(stack: dict[str, Any]) -> None:
    client = client_ids(stack)["techcorp"]
    with database(stack, "pulse_admin") as admin:
        admin.autocommit = True
        try:
            admin.execute(
                "insert into core.password_links (client_id, email, kind, asked_by, send_at)"
                " values (%s, %s, 'invited', 'boss', now())",
                [client, EMAIL],
            )
            deadline = time.monotonic() + 60
            while admin.execute("select problem from core.password_links where email = %s", [EMAIL]).fetchone() != (
                "no mail server is set",
            ):
                assert time.monotonic() < deadline, "nobody has tried to send it"
                time.sleep(0.2)
            command = [str(ROOT / "pulse"), "invite", "techcorp", EMAIL]
            done = subprocess.run(command, capture_output=True, text=True, timeout=60)
            assert done.returncode == 0, done.stderr
            match = re.match(rf"({stack['addresses']['superset']}/pulse/password/[\w-]{{43}})\n", done.stdout)
            assert match, done.stdout
            page = requests.get(match[1], timeout=60)
            assert page.status_code == 200
            assert EMAIL in page.text
            wrong = subprocess.run(
                [*command[:-1], "nobody@techcorp.example"], capture_output=True, text=True, timeout=60
            )
            assert wrong.returncode == 1
            assert "declare the person in the Variable pulse_client_techcorp" in wrong.stderr
        finally:
            admin.execute("delete from core.password_links where email = %s", [EMAIL])
            admin.execute("delete from core.users where email = %s", [EMAIL])
