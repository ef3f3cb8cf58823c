"""The clients, their declarations, and the functions that say which client a session works for."""

from migrations.revision import revision as of

revision, down_revision, upgrade, downgrade = of(__file__)
