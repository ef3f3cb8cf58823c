#!/bin/bash
# Entrypoint of the replica: copy the primary the first time, and again whenever the copy can no longer follow it; run
# PostgreSQL as a standby in between.
set -euo pipefail

# Not in the server's environment under libpq's name: the health check would use it, for another role.
password=$PULSE_REPLICATION_PASSWORD
unset PULSE_REPLICATION_PASSWORD
watch_seconds=10

copy() {
    PGPASSWORD=$password pg_basebackup --pgdata "$PGDATA" --host primary --username pulse_replication \
        --slot pulse_replica --wal-method stream --checkpoint fast --write-recovery-conf --no-password "$@"
}

# The primary's answer to a replication command, fields with | between them.
ask() {
    PGPASSWORD=$password psql --no-password -Atc "$1" \
        "host=primary user=pulse_replication dbname=postgres replication=true connect_timeout=5"
}

# Whether the slot is gone, or has lost WAL that the copy needs. Not when the primary does not answer; and never when it
# is another server: then this copy may be the last one of what was lost.
cannot_follow() {
    local system own slot
    system=$(ask IDENTIFY_SYSTEM 2> /dev/null) || return 1
    own=$(LC_ALL=C pg_controldata "$PGDATA" | sed -n 's/^Database system identifier: *//p')
    if [ "${system%%|*}" != "$own" ]; then
        echo "the primary is another server than the one copied here: remove the volume replica to copy it anew" >&2
        return 1
    fi
    slot=$(ask "READ_REPLICATION_SLOT pulse_replica" 2> /dev/null) || return 1
    [ -z "$(cut -d '|' -f 2 <<< "$slot")" ]
}

if [ ! -s "$PGDATA/PG_VERSION" ] || cannot_follow; then
    echo "copying the primary"
    rm -rf "$PGDATA"
    install -d -m 0700 "$PGDATA"
    # The slot is made with the copy. There may be one already; when its WAL is lost, the primary must forget it first.
    copy --create-slot || {
        rm -rf "${PGDATA:?}"/*
        ask "DROP_REPLICATION_SLOT pulse_replica"
        copy --create-slot
    }
fi

docker-entrypoint.sh "$@" &
server=$!
trap 'kill -INT "$server"' INT TERM
while kill -0 "$server" 2> /dev/null; do
    sleep "$watch_seconds" &
    wait -n "$server" $! || true
    if kill -0 "$server" 2> /dev/null && cannot_follow; then
        echo "the primary no longer has what this copy needs: it is copied again at the next start"
        kill -INT "$server"
        wait "$server" || true
        exit 1  # the restart policy starts the container again
    fi
done
wait "$server"
