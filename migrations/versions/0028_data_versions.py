"""The version of a client's data, which Superset's caches go by."""

from migrations.revision import revision as of

revision, down_revision, upgrade, downgrade = of(__file__)
