"""The numbers of work are published with those of delivery, and have their history and restatements."""

from migrations.revision import revision as of

revision, down_revision, upgrade, downgrade = of(__file__)
