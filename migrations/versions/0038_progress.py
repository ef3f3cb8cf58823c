"""A run says how far it is, the page Clients hears of it at once, and what was published is known."""

from migrations.revision import revision as of

revision, down_revision, upgrade, downgrade = of(__file__)
