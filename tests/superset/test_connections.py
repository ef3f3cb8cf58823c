"""Which database login a chart's query runs as."""

from __future__ import annotations

from pulse.tenancy import role_password
from tests.superset.conftest import InSuperset

MUTATE = """
from types import SimpleNamespace as N
from flask import Flask, g
from sqlalchemy.engine import make_url
from pulse_superset.connections import mutate_connection
manager = N(get_user_roles=lambda user: [N(name=name) for name in user.role_names])
def ask(roles, username="ada", user="ada", uri="postgresql+psycopg2://pulse-replica/pulse", params=None):
    with Flask("x").test_request_context("/"):
        if user is not None:
            g.user = N(username=user, role_names=roles)
        uri, args = mutate_connection(make_url(uri), params or {}, username, manager)
        return [uri.username, str(uri.password), uri.host, uri.port, uri.database, args]
"""
ENVIRONMENT = {"PULSE_REPLICA_HOST": "10.0.0.9", "PULSE_REPLICA_PORT": "6543"}


LOGINS = [
    (["client_7"], "pulse_client_7"),
    (["client_7", "client_8"], "pulse_nobody"),
    (["client_7", "Gamma"], "pulse_nobody"),
    (["client_7", "Admin"], "pulse_nobody"),
    (["Admin"], "pulse_staff"),
    (["pulse_staff"], "pulse_staff"),
    (["Gamma", "Alpha", "Public"], "pulse_nobody"),
    ([], "pulse_nobody"),
    (["client_0"], "pulse_nobody"),
    (["client_07"], "pulse_nobody"),
    (["client_7 "], "pulse_nobody"),
    (["client_-1"], "pulse_nobody"),
    (["CLIENT_7"], "pulse_nobody"),
    (["xclient_7"], "pulse_nobody"),
    (["client_7; drop"], "pulse_nobody"),
]


def test_login_of_roles(in_superset: InSuperset) -> None:
    answers = in_superset(
        f"{MUTATE}\nresult = [ask(roles) for roles in {[roles for roles, _ in LOGINS]!r}]", **ENVIRONMENT
    )
    for (roles, login), (username, password, host, port, database, args) in zip(LOGINS, answers, strict=True):
        assert username == login, roles
        assert password == role_password("secret-of-the-tests", login)
        assert (host, port, database) == ("10.0.0.9", 6543, "pulse")
        assert args["connect_args"]["connect_timeout"] > 0


def test_fails_closed_without_a_matching_user(in_superset: InSuperset) -> None:
    cases = in_superset(
        MUTATE + "result = [ask(['client_7'], user=None)[0], ask(['client_7'], username=None)[0],"
        " ask(['Admin'], username='somebody else')[0]]"
    )
    assert cases == ["pulse_nobody"] * 3


def test_no_password_goes_to_another_host(in_superset: InSuperset) -> None:
    uri = "postgresql+psycopg2://someone:secret@evil.example:5432/pulse"
    username, _, host, port, _, args = in_superset(f"{MUTATE}\nresult = ask(['Admin'], uri={uri!r})")
    assert (username, host, port, args) == ("someone", "evil.example", 5432, {})


def test_arguments_of_the_connection_are_kept(in_superset: InSuperset) -> None:
    params = {"connect_args": {"options": "-csearch_path=report"}, "poolclass": "x"}
    args = in_superset(f"{MUTATE}\nresult = ask(['client_7'], params={params!r})")[5]
    assert args["connect_args"]["options"] == "-csearch_path=report"
    assert args["poolclass"] == "x"
