"""Releases, redeployments and rollbacks; one recovery per failure; how many failures are guesses."""

from migrations.revision import revision as of

revision, down_revision, upgrade, downgrade = of(__file__)
