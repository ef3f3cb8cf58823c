"""Published numbers, their history, and the checks that guard them."""

from migrations.revision import revision as of

revision, down_revision, upgrade, downgrade = of(__file__)
