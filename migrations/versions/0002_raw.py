"""What the sources said, as they said it, and what an extraction knows of itself."""

from migrations.revision import revision as of

revision, down_revision, upgrade, downgrade = of(__file__)
