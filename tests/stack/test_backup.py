"""Backup and restore: a primary as it was at a moment, row by row."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from stack.postgres import restore
from stack.postgres.account import PostgresError
from stack.postgres.backup import Backups
from stack.postgres.cluster import Cluster
from tests.stack.test_postgres import count, keep_a_row, new_cluster, primary_of
from tests.support.database import folder_in_memory


@pytest.fixture
def state() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix=f"pulse-test-{os.getpid()}-", dir=folder_in_memory()) as folder:
        Path(folder).chmod(0o755)
        yield Path(folder)


def restored(cluster: Cluster, to: datetime | None) -> None:
    """Put the primary as it was at the moment in the running one's place (which has ended)."""
    restore.unpack(cluster, cluster.primary, to, cluster.state / "restore.log")
    restore.put_in_place(cluster, cluster.primary)


def test_a_primary_is_restored_to_a_moment_and_lives_on(state: Path) -> None:
    cluster = new_cluster(state)
    with primary_of(cluster):
        backups = Backups(cluster, cluster.primary)
        keep_a_row(cluster)
        assert backups.problem(datetime.now(UTC)) == "there is no backup yet"
        base = backups.take()
        assert backups.problem(datetime.now(UTC)) is None
        keep_a_row(cluster)
        moment = datetime.now(UTC)
        with cluster.primary.connect() as superuser:
            superuser.execute("delete from kept")  # what somebody regrets
        backups.flush()
    with pytest.raises(PostgresError, match="recovery ended before configured recovery target was reached"):
        restored(cluster, datetime.now(UTC) + timedelta(minutes=1))
    restored(cluster, moment)
    with primary_of(cluster):
        assert count(cluster) == 2
        keep_a_row(cluster)
        assert cluster.prepare_replica() == "there is no replica yet"
        backups.flush()
    # From the same base, across the restore.
    restored(cluster, None)
    with primary_of(cluster):
        assert count(cluster) == 3
    with pytest.raises(PostgresError, match="no backup of primary is old enough: the oldest is of"):
        restore.base_for(cluster, cluster.primary, base.taken_at - timedelta(seconds=1))


def test_old_backups_go_and_the_wal_that_the_others_need_stays(state: Path) -> None:
    cluster = new_cluster(state)
    with primary_of(cluster):
        backups = Backups(cluster, cluster.primary)
        keep_a_row(cluster)
        first, second = backups.take(), backups.take()
        for base in (first, second):
            note = base.folder / "backup.json"
            old = (base.taken_at - timedelta(days=8)).isoformat()
            note.write_text(note.read_text().replace(base.taken_at.isoformat(), old))
        keep_a_row(cluster)
        backups.flush()
        newest = backups.take()
        kept = [base.folder for base in backups.bases()]
        assert kept == [second.folder, newest.folder], "those of the last week, and never fewer than two"
        oldest = min(path.name for path in cluster.archive(cluster.primary).glob("*.gz") if len(path.name) == 27)
        assert oldest >= f"{second.first_segment}.gz"
    restored(cluster, None)
    with primary_of(cluster):
        assert count(cluster) == 2
