"""Releases, redeployments and rollbacks are told apart; a failure recovers once; a number knows its guesses."""

from migrations.revision import revision as of

revision, down_revision, upgrade, downgrade = of(__file__)
