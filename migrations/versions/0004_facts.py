"""Services, changes, deployments, incidents, their links, and what has moved."""

from migrations.revision import revision as of

revision, down_revision, upgrade, downgrade = of(__file__)
