"""A deployment has one name wherever it is listed: what was deployed, and the beginning of its commit."""

from migrations.revision import revision as of

revision, down_revision, upgrade, downgrade = of(__file__)
