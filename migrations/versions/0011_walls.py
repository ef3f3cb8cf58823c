"""Sessions end with what they were opened by, and one client's connections are few."""

from migrations.revision import revision as of

revision, down_revision, upgrade, downgrade = of(__file__)
