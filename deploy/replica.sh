#!/bin/bash
# Entrypoint of the replica: the first time, copy the primary and remember the slot; then run PostgreSQL as a standby.
set -euo pipefail
if [ ! -s "$PGDATA/PG_VERSION" ]; then
    rm -rf "$PGDATA"
    install -d -m 0700 -o postgres -g postgres "$PGDATA"
    copy() {
        gosu postgres pg_basebackup --pgdata "$PGDATA" --host primary --username pulse_replication \
            --slot pulse_replica --wal-method stream --checkpoint fast --write-recovery-conf --no-password "$@"
    }
    # The slot is made with the copy; after a lost volume it is there already.
    copy --create-slot || { rm -rf "${PGDATA:?}"/*; copy; }
fi
exec docker-entrypoint.sh "$@"
