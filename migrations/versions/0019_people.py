"""Whether people are named in what executives see."""

from migrations.revision import revision as of

revision, down_revision, upgrade, downgrade = of(__file__)
