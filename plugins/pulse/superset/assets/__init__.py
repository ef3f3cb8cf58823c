"""superset/assets as the bundle that Superset imports: short YAML files in, Superset's long form out."""

from pulse.superset.assets.bundle import HASH_KEY, Bundle, build_bundle, database_bundle
from pulse.superset.assets.charts import NAME_KEY
from pulse.superset.assets.datasets import ViewColumn
from pulse.superset.assets.files import AssetError, Assets, assets_folder, dashboard_slug, load
from pulse.superset.assets.ids import Ids

__all__ = [
    "HASH_KEY",
    "NAME_KEY",
    "AssetError",
    "Assets",
    "Bundle",
    "Ids",
    "ViewColumn",
    "assets_folder",
    "build_bundle",
    "dashboard_slug",
    "database_bundle",
    "load",
]
