"""What is written into the data folders of the PostgreSQL servers: settings, logins, the archiving script."""

from dataclasses import dataclass
from pathlib import Path

LOOPBACK = "127.0.0.1"
MAX_CONNECTIONS = 100

# Settings every server shares. Times in UTC; messages in English, so that logs can be searched.
_COMMON = {
    "listen_addresses": LOOPBACK,
    "unix_socket_directories": "",
    "max_connections": MAX_CONNECTIONS,
    "superuser_reserved_connections": 3,
    "password_encryption": "scram-sha-256",
    "timezone": "UTC",
    "log_timezone": "UTC",
    "lc_messages": "C",
    "datestyle": "iso, ymd",
    "jit": "off",
    "work_mem": "8MB",
    "maintenance_work_mem": "64MB",
    "log_line_prefix": "%m [%p] %q%u@%d ",
    "log_lock_waits": "on",
    "log_parameter_max_length": 0,
    "log_parameter_max_length_on_error": 0,
    "idle_in_transaction_session_timeout": "15min",
}

# Must be the same on both sides, or the replica refuses to start.
_REPLICATION = {
    "wal_level": "replica",
    "max_wal_senders": 6,
    "max_replication_slots": 4,
    "max_slot_wal_keep_size": "2GB",
    "wal_compression": "on",
    "max_wal_size": "1GB",
    "io_workers": 2,
    "random_page_cost": 1.1,
    "hot_standby": "on",
}

# hot_standby_feedback keeps vacuum from cancelling an executive's query; role timeouts bound how long it holds back.
_REPLICA = {
    "shared_buffers": "64MB",
    "primary_slot_name": "pulse_replica",
    "hot_standby_feedback": "on",
    "max_standby_streaming_delay": "60s",
    "wal_receiver_status_interval": "1s",
    "wal_retrieve_retry_interval": "1s",
    "recovery_target_timeline": "latest",
}

# Faster where losing the data does not matter (tests).
_NOT_DURABLE = {"fsync": "off", "full_page_writes": "off"}


@dataclass(frozen=True)
class Login:
    """One line of pg_hba.conf. `role` may be a name, `+group` or `all`."""

    role: str
    database: str = "all"
    method: str = "scram-sha-256"

    def line(self, address: str) -> str:
        return f"host {self.database:<12} {self.role:<18} {address:<16} {self.method}"


# Service roles come before the group: pulse_owner and pulse_admin are members of pulse_reader because they manage it.
PRIMARY_LOGINS = (
    Login("postgres"),
    Login("pulse_replication", database="replication"),
    Login("pulse_owner"),
    Login("pulse_etl"),
    Login("pulse_admin"),
    Login("pulse_auth"),
    Login("+pulse_reader", method="reject"),
)
REPLICA_LOGINS = (
    Login("postgres"),
    Login("pulse_owner"),
    Login("pulse_etl"),
    Login("pulse_auth"),
    Login("pulse_staff"),
    Login("pulse_nobody"),
    Login("pulse_admin", method="reject"),
    Login("+pulse_reader"),
)
META_LOGINS = (Login("postgres"), Login("airflow", database="airflow"), Login("superset", database="superset"))
LOGINS = {"primary": PRIMARY_LOGINS, "replica": REPLICA_LOGINS, "meta": META_LOGINS}


def hba(kind: str, address: str = f"{LOOPBACK}/32") -> str:
    """pg_hba.conf of the server `kind` (primary, replica, meta); whoever is not listed is refused."""
    lines = [login.line(address) for login in LOGINS[kind]]
    return "\n".join(["# Written by stack/postgres/cluster.py at every start.", *lines, ""])


def settings(kind: str, port: int, *, durable: bool, archive_script: Path, primary_conninfo: str) -> str:
    """postgresql.conf of the server `kind`."""
    values: dict[str, object] = {"port": port, "cluster_name": f"pulse_{kind}", **_COMMON}
    if kind == "primary":
        values |= _REPLICATION | {
            "shared_buffers": "128MB",
            "archive_mode": "on",
            "archive_command": f'sh "{archive_script}" "%p" "%f"',
        }
    elif kind == "replica":
        values |= _REPLICATION | _REPLICA | {"primary_conninfo": primary_conninfo}
    else:
        values |= {
            "shared_buffers": "64MB",
            "wal_level": "minimal",
            "max_wal_senders": 0,
            "max_wal_size": "256MB",
            "io_method": "sync",
        }
    if not durable:
        values |= _NOT_DURABLE
    lines = [f"{name} = '{str(value).replace(chr(39), chr(39) * 2)}'" for name, value in values.items()]
    return "\n".join(["# Written by stack/postgres/cluster.py at every start.", *lines, ""])


# The copy is renamed into place, so a crash leaves no half segment that would stop archiving for good; a segment that
# is archived twice with the same bytes is fine (PostgreSQL may ask again after a crash), with others it is an error.
ARCHIVE_SCRIPT = """\
#!/bin/sh
# archive_command of the primary: copy one finished WAL segment ($1, named $2) into the archive.
set -eu
archive="{archive}"
keep={keep}
if [ -e "$archive/$2" ]; then
    cmp -s "$1" "$archive/$2" && exit 0
    echo "pulse: $archive/$2 exists with other content: not overwritten" >&2
    exit 1
fi
cp "$1" "$archive/$2.part"
sync "$archive/$2.part" 2>/dev/null || true
mv "$archive/$2.part" "$archive/$2"
# Bounded: the oldest segments go, and the server's log says so.
count=$(ls "$archive" | wc -l)
if [ "$count" -gt "$keep" ]; then
    ls "$archive" | sort | head -n $((count - keep)) | while read -r old; do
        rm -f "$archive/$old"
        echo "pulse: archive holds more than $keep segments, removed the oldest: $old" >&2
    done
fi
"""
