"""A share in percent: not all is never 100, and some is never 0; short times are in seconds."""

from migrations.revision import revision as of

revision, down_revision, upgrade, downgrade = of(__file__)
