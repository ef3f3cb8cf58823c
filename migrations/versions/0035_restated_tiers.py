"""A restatement says which tier a number had and has."""

from migrations.revision import revision as of

revision, down_revision, upgrade, downgrade = of(__file__)
