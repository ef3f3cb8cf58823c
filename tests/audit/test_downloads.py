"""What people take along from the running Superset is in the audit."""

from __future__ import annotations

from typing import Any

from tests.support.stack import database, login_of
from tests.support.superset_api import SupersetSession


def test_a_chart_as_csv_is_a_download_and_looking_at_it_is_none(stack: dict[str, Any]) -> None:
    login = login_of(stack, "superset", "executive", "techcorp")
    executive = SupersetSession(stack["addresses"]["superset"], login["username"], login["password"])
    dataset = next(int(row["id"]) for row in executive.datasets() if row["table_name"] == "kpi_current")

    def downloads() -> list[tuple[Any, ...]]:
        with database(stack, "pulse_admin") as primary, database(stack, "pulse_staff", replica=True) as staff:
            row = primary.execute("select pg_current_wal_flush_lsn()").fetchone()
            while staff.execute("select pg_last_wal_replay_lsn() >= %s::pg_lsn", row).fetchone() != (True,):
                pass
            return staff.execute(
                "select client, what from audit.events where kind = 'downloaded' and who = %s order by id",
                [login["username"]],
            ).fetchall()

    before = len(downloads())
    for kind in ("json", "csv"):
        answer = executive.chart_data(dataset, columns=["metric_label"], result_format=kind)
        assert answer.status_code == 200
    found = downloads()[before:]
    assert len(found) == 1
    assert found[0][0] == "techcorp"
    assert f"dataset {dataset}" in found[0][1]
