"""A mail when a number gives a signal or a target is reached or missed: once per event and person."""

from migrations.revision import revision as of

revision, down_revision, upgrade, downgrade = of(__file__)
