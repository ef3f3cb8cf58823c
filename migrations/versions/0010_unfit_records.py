"""Records that can be stored but not typed are rejects, too."""

from migrations.revision import revision as of

revision, down_revision, upgrade, downgrade = of(__file__)
