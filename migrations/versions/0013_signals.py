"""What is a signal, and what is chance."""

from migrations.revision import revision as of

revision, down_revision, upgrade, downgrade = of(__file__)
