"""Links by which people set their passwords themselves, and the page People."""

from migrations.revision import revision as of

revision, down_revision, upgrade, downgrade = of(__file__)
