"""Any declared type of integration."""

from migrations.revision import revision as of

revision, down_revision, upgrade, downgrade = of(__file__)
