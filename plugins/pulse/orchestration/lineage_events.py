"""What a lineage backend is told about a task: the datasets that it read and wrote, in OpenLineage's names.

Airflow's provider calls this in a process of its own after the task, and only where a backend is configured
(docs/monitoring.md). No record and no text of an error is in what it gets. Names follow
https://openlineage.io/docs/spec/naming: `postgres://host:port` and `database.schema.table`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from contextlib import closing
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from airflow.providers.openlineage.extractors import OperatorLineage
from openlineage.client.event_v2 import InputDataset, OutputDataset
from openlineage.client.facet_v2 import (
    column_lineage_dataset,
    dataset_version_dataset,
    output_statistics_output_dataset,
    schema_dataset,
)
from openlineage.client.naming.dataset import Postgres

from pulse.orchestration.lineage import Place, Work
from pulse.orchestration.lineage_columns import column_origins
from pulse.orchestration.specs import IntegrationSpec
from pulse.sources.refusals import redacted
from pulse.warehouse import forecasts
from pulse.warehouse.connect import connect
from pulse.warehouse.lineage import Catalogue, Column, Sources, columns_of
from pulse.warehouse.transforms import FORECASTS, WATERMARK, Stage, StepResult, stage_models

Columns = dict[str, schema_dataset.SchemaDatasetFacet]


def events_of(work: Work) -> OperatorLineage:
    """What a task read and wrote. A task that wrote nothing has no outputs, whatever it looked at."""
    told = OperatorLineage()
    if not (work.loads or work.steps or work.publication):
        return told
    with closing(connect("pulse_etl")) as conn:
        catalogue = Catalogue.read(conn)
        written = {table for _, _, step in work.steps for table in step.tables}
        written |= {f"raw.{entity}" for _, _, tables in work.loads for entity in tables}
        views = sorted(name for name in catalogue.views if name.startswith("report.")) if work.publication else []
        schemas = {name: _schema(columns) for name, columns in columns_of(conn, [*written, *views]).items()}
        origins = column_origins(conn) if views else {}
    _add_loads(told, work.loads, schemas)
    _add_stages(told, work.steps, schemas, catalogue)
    if work.publication:
        primary, replica, version = work.publication
        told.inputs += [_input(_name(primary, table)) for table in sorted(catalogue.tables_behind(views))]
        for view in views:
            facets = {
                "schema": schemas[view],
                "version": dataset_version_dataset.DatasetVersionDatasetFacet(datasetVersion=str(version)),
                "columnLineage": _column_lineage(primary, replica, origins[view]),
            }
            told.outputs.append(OutputDataset(*_name(replica, view), facets=facets))
    return told


def hide_records(task_instance: Any) -> None:
    """Take out of a task what the provider would tell besides: the label of its batch, which names what is read, and the text
    of its error, which may quote records."""
    task_instance.rendered_map_index = None
    error = task_instance.get_template_context().get("exception")
    if error is not None:
        error.args = ("Its text is in the task's log.",)
        error.__traceback__ = error.__cause__ = error.__context__ = None


def _add_loads(told: OperatorLineage, loads: Iterable[tuple[Place, IntegrationSpec, Any]], schemas: Columns) -> None:
    read: dict[tuple[str, str], None] = {}
    rows: Counter[tuple[Place, str]] = Counter()
    for place, source, tables in loads:
        for entity, written in tables.items():
            read[_upstream(source, entity)] = None
            rows[place, f"raw.{entity}"] += written
    told.inputs += [_input(name) for name in sorted(read)]
    told.outputs += [_output(place, table, count, schemas) for (place, table), count in sorted(_written(rows))]


def _add_stages(
    told: OperatorLineage, steps: list[tuple[Place, Stage, StepResult]], schemas: Columns, catalogue: Catalogue
) -> None:
    read: dict[tuple[str, str], None] = {}
    rows: Counter[tuple[Place, str]] = Counter()
    for place, stage, step in steps:
        if not step.tables or step.file == WATERMARK:
            continue
        models = stage_models(stage)
        query = next((f"{one.touched}\n{one.wanted}" for one in models if one.file == step.file), "")
        if step.file == FORECASTS:
            query = Path(forecasts.__file__).read_text(encoding="utf-8")
        for table in Sources(catalogue, tuple(models)).tables_read(query):
            read[_name(place, table)] = None
        for table, written in step.tables.items():
            rows[place, table] += written
    told.inputs += [_input(name) for name in sorted(read)]
    told.outputs += [_output(place, table, count, schemas) for (place, table), count in sorted(_written(rows))]


def _written(rows: Counter[tuple[Place, str]]) -> Iterable[tuple[tuple[Place, str], int]]:
    return ((key, count) for key, count in rows.items() if count)


def _schema(columns: Iterable[Column]) -> schema_dataset.SchemaDatasetFacet:
    return schema_dataset.SchemaDatasetFacet(
        fields=[
            schema_dataset.SchemaDatasetFacetFields(name=one.name, type=one.type, description=one.comment)
            for one in columns
        ]
    )


def _column_lineage(
    primary: Place, replica: Place, origins: dict[str, list[tuple[str, str]]]
) -> column_lineage_dataset.ColumnLineageDatasetFacet:
    def field(relation: str, column: str) -> column_lineage_dataset.InputField:
        place = replica if relation.startswith("report.") else primary
        return column_lineage_dataset.InputField(*_name(place, relation), column)

    return column_lineage_dataset.ColumnLineageDatasetFacet(
        fields={
            column: column_lineage_dataset.Fields(inputFields=[field(*origin) for origin in found])
            for column, found in origins.items()
        }
    )


def _input(name: tuple[str, str]) -> InputDataset:
    return InputDataset(*name)


def _output(place: Place, table: str, rows: int, schemas: Columns) -> OutputDataset:
    return OutputDataset(
        *_name(place, table),
        facets={"schema": schemas[table]} if table in schemas else {},
        outputFacets={
            "outputStatistics": output_statistics_output_dataset.OutputStatisticsOutputDatasetFacet(rowCount=rows)
        },
    )


def _name(place: Place, relation: str) -> tuple[str, str]:
    schema, _, table = relation.partition(".")
    naming = Postgres(place.host, str(place.port), place.database, schema, table)
    return naming.get_namespace(), naming.get_name()


def _upstream(source: IntegrationSpec, entity: str) -> tuple[str, str]:
    """A kind of record of a source, without login and query of the source's address."""
    parts = urlsplit(redacted(source.base_url))
    return f"{parts.scheme}://{parts.netloc}", f"{parts.path.strip('/')}/{entity}".lstrip("/")
