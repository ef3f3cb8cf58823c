"""Services, changes, deployments, incidents, their links, and the queue of what was written."""

from migrations.revision import revision as of

revision, down_revision, upgrade, downgrade = of(__file__)
