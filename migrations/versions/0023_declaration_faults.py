"""What is wrong with a client's Variable, for the page Clients."""

from migrations.revision import revision as of

revision, down_revision, upgrade, downgrade = of(__file__)
