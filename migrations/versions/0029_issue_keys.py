"""An issue of a project has a key."""

from migrations.revision import revision as of

revision, down_revision, upgrade, downgrade = of(__file__)
