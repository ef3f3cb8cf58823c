"""The upstreams' records as received, and the progress of each extraction."""

from migrations.revision import revision as of

revision, down_revision, upgrade, downgrade = of(__file__)
