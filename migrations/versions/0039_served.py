"""Several Airflows may share the clients, and each starts the runs of its own."""

from migrations.revision import revision as of

revision, down_revision, upgrade, downgrade = of(__file__)
