"""What deployed branches hold, and what pull requests carry others."""

from migrations.revision import revision as of

revision, down_revision, upgrade, downgrade = of(__file__)
