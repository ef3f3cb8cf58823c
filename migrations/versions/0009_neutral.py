"""Tables that facts read, whichever source they come from."""

from migrations.revision import revision as of

revision, down_revision, upgrade, downgrade = of(__file__)
