"""Categories, epics and waiting time of work items; how long items usually take; forecasts, one row per night."""

from migrations.revision import revision as of

revision, down_revision, upgrade, downgrade = of(__file__)
