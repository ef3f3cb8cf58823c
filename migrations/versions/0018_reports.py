"""Reports by mail: who wants which, what was sent, and how somebody stops them."""

from migrations.revision import revision as of

revision, down_revision, upgrade, downgrade = of(__file__)
