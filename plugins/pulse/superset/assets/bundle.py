"""All assets in one zip, as Superset's assets/import takes it."""

from __future__ import annotations

import hashlib
import io
import json
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import yaml

from pulse.superset.assets.charts import chart_config
from pulse.superset.assets.dashboards import dashboard_config
from pulse.superset.assets.datasets import ViewColumn, column_names, dataset_config
from pulse.superset.assets.files import Assets, Config
from pulse.superset.assets.ids import Ids

HASH_KEY = "pulse_assets"
DATABASE = "pulse"

Views = Mapping[str, Sequence[ViewColumn]]


@dataclass(frozen=True)
class Bundle:
    """What to import: the zip, its files by path, and the hash of what they say."""

    content: bytes
    configs: dict[str, Config]
    digest: str


def build_bundle(assets: Assets, views: Views, ids: Ids | None = None) -> Bundle:
    """Make the bundle; the same arguments give the same bytes, and the hash does not depend on `ids`.

    `views`: the columns of the views of schema report. `ids`: where Superset already has some of the assets.
    Raises AssetError when a file asks for something that is not there.
    """
    plain = json.dumps(_configs(assets, views, Ids()), sort_keys=True, default=str)
    digest = hashlib.sha256(plain.encode()).hexdigest()
    configs = _configs(assets, views, ids or Ids())
    for path, config in configs.items():
        if path.startswith("dashboards/"):
            config["metadata"][HASH_KEY] = digest
    return Bundle(_zipped(configs), configs, digest)


def database_bundle(assets: Assets) -> bytes:
    """The database alone: through it, Superset can say which columns the views have."""
    return _zipped(_databases(assets, Ids()))


def _configs(assets: Assets, views: Views, ids: Ids) -> dict[str, Config]:
    """Superset's form of every asset by its path in the bundle."""
    configs = _databases(assets, ids)
    for name, spec in assets.datasets.items():
        config = dataset_config(name, spec, views.get(name, ()), assets.defaults)
        configs[f"datasets/{name}.yaml"] = _named("dataset", name, config, ids) | {
            "database_uuid": ids.of("database", DATABASE)
        }
    for name, spec in assets.charts.items():
        config = chart_config(name, spec, assets.defaults)
        configs[f"charts/{name}.yaml"] = _named("chart", name, config, ids) | {
            "dataset_uuid": ids.of("dataset", spec["dataset"])
        }
    columns = {name: column_names(spec, views[name]) for name, spec in assets.datasets.items()}
    for name in assets.dashboards:
        config = dashboard_config(name, assets, columns, ids)
        configs[f"dashboards/{name}.yaml"] = _named("dashboard", name, config, ids)
    return configs


def _databases(assets: Assets, ids: Ids) -> dict[str, Config]:
    return {f"databases/{name}.yaml": _named("database", name, spec, ids) for name, spec in assets.databases.items()}


def _named(kind: str, name: str, config: Config, ids: Ids) -> Config:
    return {**config, "uuid": ids.of(kind, name), "version": "1.0.0"}


def _zipped(configs: dict[str, Config]) -> bytes:
    metadata = {"version": "1.0.0", "type": "assets", "timestamp": "2026-01-01T00:00:00+00:00"}
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, config in {"metadata.yaml": metadata, **configs}.items():
            # A fixed time, so that the bytes depend on the files only.
            entry = zipfile.ZipInfo(f"pulse/{name}", date_time=(2026, 1, 1, 0, 0, 0))
            archive.writestr(entry, yaml.safe_dump(config, sort_keys=False, allow_unicode=True))
    return buffer.getvalue()
