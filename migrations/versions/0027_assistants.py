"""Changes made with AI, by the signs that they bear."""

from migrations.revision import revision as of

revision, down_revision, upgrade, downgrade = of(__file__)
