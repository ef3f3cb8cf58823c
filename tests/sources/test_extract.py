"""Extraction of the sandbox over HTTP into a real PostgreSQL."""

from __future__ import annotations

import time

from tests.conftest import SandboxServer
from tests.support.database import TestDatabase
from tests.support.extraction import Pipeline


def test_a_second_sync_of_an_unchanged_world_writes_nothing(db: TestDatabase, sandbox: SandboxServer) -> None:
    pipeline = Pipeline.of(db, sandbox.url, "acme")
    first = pipeline.extract()
    assert first.rows_written > 1000
    assert first.rows_rejected == 0
    assert pipeline.extract().rows_written == 0


def test_story(db: TestDatabase, sandbox: SandboxServer) -> None:
    pipeline = Pipeline.of(db, sandbox.url, "techcorp")
    t = time.time(); print(pipeline.extract(), time.time() - t)
    from pulse.warehouse.transforms import run_stage
    c = db.connect("pulse_etl")
    for _ in range(2):
        for stage in ("normalise", "dora"):
            for x in run_stage(c, pipeline.client_id, stage): print(x)
    for row in pipeline.report("select metric_type, display_text, tier, sample_size, null_reason, previous_value from report.kpi_current order by sort_order"): print(row)
    for row in pipeline.report("select metric_type, period_at::date, round(display_value::numeric,2), sample_size from report.metric_series where grain='month' and scope_type='client' order by 1,2"): print(row)
    for row in pipeline.report("select indicator, detail, display_text from report.trust_panel order by sort_order"): print(row)
    print(pipeline.report("select count(*) from core.dora_metrics"))
    assert 0
