"""When the servers were last backed up, problems of the installation as a whole, and what sync_clients has done."""

from migrations.revision import revision as of

revision, down_revision, upgrade, downgrade = of(__file__)
