"""The audit: who did what, when and from where."""

from migrations.revision import revision as of

revision, down_revision, upgrade, downgrade = of(__file__)
