"""Records and webhooks that tools send: keys, what moved, and the runs that are wished for."""

from migrations.revision import revision as of

revision, down_revision, upgrade, downgrade = of(__file__)
