"""The sources' records as typed columns."""

from migrations.revision import revision as of

revision, down_revision, upgrade, downgrade = of(__file__)
