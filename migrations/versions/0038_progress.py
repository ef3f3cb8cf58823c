"""A run says how far it is, and the page Clients hears of it at once."""

from migrations.revision import revision as of

revision, down_revision, upgrade, downgrade = of(__file__)
