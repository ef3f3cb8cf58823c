"""What the data team was told of, so that it is told once when it begins and once when it is over."""

from migrations.revision import revision as of

revision, down_revision, upgrade, downgrade = of(__file__)
