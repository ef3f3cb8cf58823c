"""Every environment variable of Pulse: its name, type, default and meaning, declared once.

The launcher, Airflow, Superset, the migrations and the tests all read through this module, so it needs the standard
library only and works under Python 3.9. `python -m pulse.environ` prints docs/environment-variables.md.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic, TypeVar

T = TypeVar("T")
CHECKOUT = Path(__file__).resolve().parents[2]


class MissingVariable(ValueError):
    """A variable that is needed, and has no default, is not set."""


@dataclass(frozen=True)
class Variable(Generic[T]):
    """One environment variable. `read` turns its text into its value; a `default` of None means that there is none."""

    set_by: str
    name: str
    kind: str
    read: Callable[[str], T]
    default: T | None
    description: str

    def get(self) -> T:
        """The value, or else the default. Raises MissingVariable when there is neither."""
        value = self.given()
        value = self.default if value is None else value
        if value is None:
            raise MissingVariable(f"{self.name} is not set. {self.description}")
        return value

    def given(self) -> T | None:
        """The value; None when the variable is unset or empty. Raises ValueError when it is of another type."""
        text = os.environ.get(self.name)
        if not text:
            return None
        try:
            return self.read(text)
        except ValueError as error:
            raise ValueError(f"{self.name} must be a {self.kind}, not {text!r}") from error


def entries(text: str) -> tuple[str, ...]:
    """The entries of a comma-separated list."""
    return tuple(entry.strip() for entry in text.split(",") if entry.strip())


def _text(set_by: str, name: str, default: str | None, description: str) -> Variable[str]:
    return Variable(set_by, name, "text", str, default, description)


def _number(set_by: str, name: str, default: int, description: str) -> Variable[int]:
    return Variable(set_by, name, "whole number", int, default, description)


def _folder(set_by: str, name: str, default: Path, description: str) -> Variable[Path]:
    return Variable(set_by, name, "folder", Path, default, description)


def _list(set_by: str, name: str, default: tuple[str, ...], description: str) -> Variable[tuple[str, ...]]:
    return Variable(set_by, name, "comma-separated list", entries, default, description)


def _folders(set_by: str, name: str, description: str) -> Variable[tuple[Path, ...]]:
    return Variable(set_by, name, "comma-separated list", lambda text: tuple(map(Path, entries(text))), (), description)


def _secret(name: str, description: str) -> Variable[str]:
    return _text(SECRET, name, None, description)


YOU = "you"
LAUNCHER = "`./pulse`"  # for containers deploy.render
SECRET = "`./pulse` (secret)"
TESTER = "you, for tests"

STATE = _folder(YOU, "PULSE_STATE", CHECKOUT / ".pulse", "Folder of all data, logs and secrets.")
BACKUPS = Variable(
    YOU,
    "PULSE_BACKUPS",
    "folder",
    Path,
    CHECKOUT / ".pulse" / "postgres" / "backups",
    "Folder of backups: best on another disk. PostgreSQL's account must be able to write to it.",
)
PORT_BASE = _number(YOU, "PULSE_PORT_BASE", 0, "Is added to every port when `./pulse up` first chooses the ports.")
POSTGRES_USER = _text(YOU, "PULSE_POSTGRES_USER", "", "Account that PostgreSQL runs as when root starts Pulse.")
CLIENTS = _list(
    YOU,
    "PULSE_CLIENTS",
    (),
    "Slugs of the clients that this Airflow serves, where several share the clients' database; or of those that it leaves to"
    " another one, each behind a minus. Empty: every client.",
)
SOURCES = _folders(
    YOU,
    "PULSE_SOURCES",
    "Folders (absolute paths) with further source types, as `sources/<type>` and `staging/<type>` in each.",
)
PRIVATE_URLS = _list(
    YOU,
    "PULSE_PRIVATE_URLS",
    (),
    "Hosts (`host` or `host:port`) that a source may reach although their address is private. `true` allows"
    " every host. `./pulse up` adds the sandbox.",
)
TRUSTED_PROXIES = _list(
    YOU,
    "PULSE_TRUSTED_PROXIES",
    (),
    "Addresses, networks or host names of the proxies in front of Superset. Only they may say that a request came by"
    " https, and from which address. In containers: `edge`.",
)
SMTP_HOST = _text(
    YOU, "PULSE_SMTP_HOST", "", "Host of the mail server for reports, invitations and alerts. Empty: no mail is sent."
)
SMTP_PORT = _number(YOU, "PULSE_SMTP_PORT", 587, "Its port.")
SMTP_SECURITY = _text(
    YOU,
    "PULSE_SMTP_SECURITY",
    "starttls",
    "`starttls`, `tls` (from the first byte on) or `none` (on this machine only).",
)
SMTP_USER = _text(YOU, "PULSE_SMTP_USER", "", "Login of the mail server. Empty: it needs none.")
SMTP_PASSWORD = _text(YOU, "PULSE_SMTP_PASSWORD", "", "Password of the mail server.")
SMTP_FROM = _text(YOU, "PULSE_SMTP_FROM", "", "Who reports come from: `Pulse <pulse@example.com>`.")
ALERTS_TO = _text(
    YOU,
    "PULSE_ALERTS_TO",
    "",
    "Who gets a mail when a client has a problem: one address, or several with commas between them.",
)
ALIVE_URL = _text(
    YOU,
    "PULSE_ALIVE_URL",
    "",
    "Asked every ten minutes as long as Airflow, the primary and the replica work: a monitoring service that tells when this"
    " stops (a dead man's switch).",
)
KEEP_RAW = _number(
    YOU,
    "PULSE_KEEP_RAW_DAYS",
    90,
    "Days that a record stays which its upstream no longer has. 0, here and below: for ever.",
)
KEEP_REJECTS = _number(YOU, "PULSE_KEEP_REJECTS_DAYS", 90, "Days that a reject stays after its record could be read.")
KEEP_RUNS = _number(YOU, "PULSE_KEEP_RUNS_DAYS", 180, "Days that runs of extraction and alerts that are over stay.")
KEEP_HISTORY = _number(
    YOU, "PULSE_KEEP_HISTORY_DAYS", 1095, "Days that replaced versions of numbers, restatements and publications stay."
)
KEEP_SESSIONS = _number(YOU, "PULSE_KEEP_SESSIONS_DAYS", 30, "Days that a session stays in the tables after its end.")
KEEP_AIRFLOW = _number(YOU, "PULSE_KEEP_AIRFLOW_DAYS", 30, "Days that Airflow keeps its runs and log files.")
KEEP_SUPERSET = _number(YOU, "PULSE_KEEP_SUPERSET_DAYS", 90, "Days that Superset keeps its log and its queries.")
BACKUP_HOURS = _number(
    YOU,
    "PULSE_BACKUP_HOURS",
    50,
    "How old the newest backup may be, in hours, before a mail says so. 0: no mail.",
)
KEEP = (KEEP_RAW, KEEP_REJECTS, KEEP_RUNS, KEEP_HISTORY, KEEP_SESSIONS, KEEP_AIRFLOW, KEEP_SUPERSET, BACKUP_HOURS)
SMTP = (ALERTS_TO, ALIVE_URL, SMTP_HOST, SMTP_PORT, SMTP_SECURITY, SMTP_USER, SMTP_PASSWORD, SMTP_FROM)
OIDC_PROVIDERS = _text(
    YOU,
    "PULSE_OIDC_PROVIDERS",
    "",
    "Providers of single sign-on, as JSON ([people.md](people.md#single-sign-on)). It holds their secrets.",
)
MIGRATE_URL = _text(YOU, "PULSE_MIGRATE_URL", "", "Database that `python -m migrations` migrates when called by hand.")
SUPERUSER_URL = _text(
    YOU,
    "PULSE_SUPERUSER_URL",
    None,
    "Address of a PostgreSQL server that is there already, as superuser, for `python -m deploy.init_databases --clients`.",
)
COMPOSE = _folder(
    YOU,
    "PULSE_COMPOSE",
    CHECKOUT / ".pulse" / "compose",
    "Containers: the folder of secrets and environment files that `deploy.render` writes.",
)
CERTIFICATES = _folder(
    YOU,
    "PULSE_CERTIFICATES",
    CHECKOUT / "deploy" / "certs",
    "Containers: `fullchain.pem` and `privkey.pem` of the edge.",
)
AIRFLOW_PORT = _number(YOU, "PULSE_AIRFLOW_PORT", 8080, "Containers: Airflow's port on this machine.")
SUPERSET_PORT = _number(YOU, "PULSE_SUPERSET_PORT", 8088, "Containers: Superset's port on this machine.")
PROMETHEUS_PORT = _number(YOU, "PULSE_PROMETHEUS_PORT", 9090, "Containers: Prometheus's port on this machine.")
EDGE_HTTP_PORT = _number(YOU, "PULSE_EDGE_HTTP_PORT", 80, "Containers: the edge's port that leads to https.")
EDGE_PORT = _number(YOU, "PULSE_EDGE_PORT", 443, "Containers: Superset's port at the edge.")
EDGE_AIRFLOW_PORT = _number(YOU, "PULSE_EDGE_AIRFLOW_PORT", 8443, "Containers: Airflow's port at the edge.")
SECOND_AIRFLOW_PORT = _number(
    YOU, "PULSE_SECOND_AIRFLOW_PORT", 8081, "Containers: a second Airflow's port on this machine."
)
EDGE_SECOND_AIRFLOW_PORT = _number(
    YOU, "PULSE_EDGE_SECOND_AIRFLOW_PORT", 8444, "Containers: a second Airflow's port at the edge."
)

ROOT = _folder(LAUNCHER, "PULSE_ROOT", CHECKOUT, "The checkout.")
PRIMARY_HOST = _text(LAUNCHER, "PULSE_PRIMARY_HOST", "127.0.0.1", "Host of the primary.")
PRIMARY_PORT = _number(LAUNCHER, "PULSE_PRIMARY_PORT", 5432, "Port of the primary.")
REPLICA_HOST = _text(LAUNCHER, "PULSE_REPLICA_HOST", "127.0.0.1", "Host of the replica.")
REPLICA_PORT = _number(LAUNCHER, "PULSE_REPLICA_PORT", 5433, "Port of the replica.")
META_HOST = _text(LAUNCHER, "PULSE_META_HOST", "127.0.0.1", "Host of the metadata server, for the job `init`.")
META_PORT = _number(LAUNCHER, "PULSE_META_PORT", 5432, "Port of the metadata server, for the job `init`.")
DATABASE = _text(LAUNCHER, "PULSE_DATABASE", "pulse", "Name of the clients' database.")
SUPERSET_DB_URL = _text(LAUNCHER, "PULSE_SUPERSET_DB_URL", None, "Superset's own database, password included.")
SUPERSET_PUBLIC_URL = _text(
    LAUNCHER, "PULSE_SUPERSET_PUBLIC_URL", "http://127.0.0.1:8088", "Superset's address in a browser."
)
AIRFLOW_PUBLIC_URL = _text(
    LAUNCHER,
    "PULSE_AIRFLOW_PUBLIC_URL",
    "",
    "Airflow's address in a browser. Its pages may show dashboards in a frame.",
)
OIDC_NAMES = _list(
    LAUNCHER, "PULSE_OIDC_NAMES", (), "Names of the providers in `PULSE_OIDC_PROVIDERS`, for the check of Variables."
)
BUILD = _text(
    LAUNCHER, "PULSE_BUILD", "", "Hash of a process's code: `./pulse up` restarts the process when it differs."
)
SUPERVISED_STATE = _text(
    LAUNCHER, "PULSE_SUPERVISED_STATE", "", "State folder of a process: `./pulse down` finds every process by it."
)
STARTED_AT = Variable(LAUNCHER, "PULSE_STARTED_AT", "number", float, 0.0, "When `./pulse up` began (Unix time).")

ROLE_SECRET = _secret(
    "PULSE_ROLE_SECRET",
    "The passwords of the superuser, the owner, the ETL and the other database roles that write are derived from it. No"
    " process of Airflow or Superset has it.",
)
READER_SECRET = _secret(
    "PULSE_READER_SECRET",
    "The passwords of the logins that only read (the clients', the staff's, the one that checks a sign-in) are derived from it.",
)
REPLICATION_PASSWORD = _secret(
    "PULSE_REPLICATION_PASSWORD", "Containers: the replica's login at the primary, derived from `PULSE_ROLE_SECRET`."
)
METRICS_TOKEN = _secret(
    "PULSE_METRICS_TOKEN", "Prometheus reads metrics with it ([monitoring.md](monitoring.md)). Without it nobody does."
)
REDIS_SECRET = _secret(
    "PULSE_REDIS_SECRET", "Containers with the profile `scale`: the passwords of Redis's two users are derived from it."
)
REDIS_QUEUE_PASSWORD = _secret(
    "PULSE_REDIS_QUEUE_PASSWORD", "Containers: of Redis's user `queue`, derived from `PULSE_REDIS_SECRET`."
)
REDIS_CACHE_PASSWORD = _secret(
    "PULSE_REDIS_CACHE_PASSWORD", "Containers: of Redis's user `cache`, derived from `PULSE_REDIS_SECRET`."
)
REDIS_URL = _text(
    LAUNCHER,
    "PULSE_REDIS_URL",
    "",
    "Redis for Superset's caches, password included, where there are several Supersets. Empty: files.",
)
FERNET_KEY = _secret("PULSE_FERNET_KEY", "Airflow encrypts Variables and Connections with it.")
JWT_SECRET = _secret("PULSE_JWT_SECRET", "Airflow signs its tokens with it.")
WEBHOOK_SECRET = _secret("PULSE_WEBHOOK_SECRET", "The secrets of webhooks are derived from it.")
SUPERSET_SECRET_KEY = _secret("PULSE_SUPERSET_SECRET_KEY", "Superset signs its sessions with it.")
DEMO_SECRET = _secret("PULSE_DEMO_SECRET", "The passwords of the demo users are derived from it.")
AIRFLOW_ADMIN_PASSWORD = _secret("PULSE_AIRFLOW_ADMIN_PASSWORD", "Password of `admin` in Airflow.")
AIRFLOW_DATA_TEAM_PASSWORD = _secret("PULSE_AIRFLOW_DATA_TEAM_PASSWORD", "Password of `data_team` in Airflow.")
SUPERSET_SERVICE_PASSWORD = _secret("PULSE_SUPERSET_SERVICE_PASSWORD", "Password of Airflow's account in Superset.")
SUPERSET_STAFF_PASSWORD = _secret("PULSE_SUPERSET_STAFF_PASSWORD", "Password of `staff` in Superset.")

FIXTURES = _folder(
    TESTER, "PULSE_FIXTURES", CHECKOUT.parent / "shared" / "fixtures", "Recorded payloads of GitHub and Jira."
)
EXAMPLES = _number(TESTER, "PULSE_EXAMPLES", 10, "Worlds per property test. When set, each run has different ones.")
SHRINK = _text(TESTER, "PULSE_SHRINK", "", "When set, a failing property test looks for a smaller world (minutes).")
SOAK_SEEDS = _list(TESTER, "PULSE_SOAK_SEEDS", ("1",), "Seeds of the soak test.")
SOAK_ROUNDS = _number(TESTER, "PULSE_SOAK_ROUNDS", 60, "Rounds of the soak test per seed.")
KEEP_CONTAINERS = _text(
    TESTER,
    "PULSE_KEEP_CONTAINERS",
    "",
    "When set, `./pulse test --containers` leaves its containers running, and the next one uses them.",
)

HEADING = """\
# Environment variables

Written by `python -m pulse.environ` from `plugins/pulse/environ.py`. Nothing needs to be set: `./pulse up` works without
any of them. What *you* set must be in the environment of every `./pulse` command. The rest is what `./pulse up` (for
containers `deploy.render`) passes to the processes; secrets are generated into `secrets.env` of the state folder.

| name | set by | type | default | meaning |
|---|---|---|---|---|
"""


def declared() -> Iterator[Variable[Any]]:
    """Every variable, in the order of this file."""
    return (value for value in globals().values() if isinstance(value, Variable))


def page() -> str:
    """The text of docs/environment-variables.md."""
    return HEADING + "".join(
        f"| `{v.name}` | {v.set_by} | {v.kind} | {_shown(v.default)} | {v.description} |\n" for v in declared()
    )


def _shown(default: object) -> str:
    if isinstance(default, Path):
        return "the checkout" if default == CHECKOUT else f"`{os.path.relpath(default, CHECKOUT)}`"
    if isinstance(default, tuple):
        default = ",".join(map(str, default))
    return "" if default in (None, "") else f"`{default}`"


if __name__ == "__main__":
    print(page(), end="")
