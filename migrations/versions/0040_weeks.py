"""A client's weeks begin on Monday, Sunday or Saturday."""

from migrations.revision import revision as of

revision, down_revision, upgrade, downgrade = of(__file__)
