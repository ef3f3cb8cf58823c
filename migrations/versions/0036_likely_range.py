"""Between which values chance alone leaves a ratio or a rate: one definition for tiles and trends."""

from migrations.revision import revision as of

revision, down_revision, upgrade, downgrade = of(__file__)
